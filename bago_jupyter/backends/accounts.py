"""Keeps the books of every attempt: loads, breakers, records, and who is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import BagoError
from ..events import Bus, RequestEnded, RequestMoved, RequestStarted
from ..router import Breakers, Load, Offer, Row, Shape
from ..router.outcome import Ending, verdict
from ..wire import Attempt, Decision, Outcome
from . import patience
from .answer import Answer, Flight
from .asked import Asked
from .failures import cause_of
from .records import Records


class Accounts:
    """What is known of each (backend, model), and the records. Belongs to the node's loop."""

    def __init__(self, bus: Bus) -> None:
        self.loads: dict[tuple[str, str], Load] = {}
        self.breakers = Breakers()
        self.records = Records()
        self.recorder: Callable[[Decision], None] = lambda decision: None
        """Called with every decision when its request is over; must not wait."""
        self._bus = bus

    def load(self, offer: Offer) -> Load:
        """The load of an offer, made if there is none."""
        key = (offer.backend, offer.model)
        load = self.loads.get(key)
        if load is None:
            load = self.loads[key] = Load()
        return load

    def forget(self, backend: str) -> None:
        """``backend`` is gone."""
        self.breakers.forget(backend)
        for key in [key for key in self.loads if key[0] == backend and not self.loads[key].in_flight]:
            del self.loads[key]

    def took_off(self, asked: Asked, row: Row, load: Load, now: float, *, hedge: bool) -> Flight:
        """An attempt begins; its work is reserved in ``load`` already."""
        offer, decision = row.offer, asked.decision
        attempt = Attempt(
            backend=offer.backend,
            node=offer.node,
            model=offer.model,
            started=now - asked.ticket.arrived,
            hedge=hedge,
        )
        decision.attempts.append(attempt)
        self.breakers.began(offer.backend, offer.model, now)
        if self._bus.watched:
            self._bus.publish(
                RequestStarted(
                    id=decision.id,
                    model=asked.shape.model,
                    backend=offer.backend,
                    target=offer.model,
                    attempt=len(decision.attempts),
                )
            )
        return Flight(row, load, attempt, now, asked.request.header_timeout)

    def admitted(self, flight: Flight, seconds: float) -> None:
        """A peer has said that it has the request."""
        flight.load.admission.saw(seconds)
        self.breakers.lives(flight.row.offer.backend)

    def answered(self, asked: Asked, flight: Flight, status: int, fine: bool) -> None:
        """The first byte is there; ``fine`` is whether the status is none of the backend's failures."""
        offer, took = flight.row.offer, time.monotonic() - flight.began
        flight.attempt.first_byte = took + flight.attempt.started
        if fine:
            self.breakers.lives(offer.backend, offer.model)
        if status < 400:
            self.moved(asked, flight, None)
        else:
            self.moved(asked, flight, "failed", f"HTTP {status}")
        if offer.state == "ready":
            flight.load.slowness.saw(took / patience.estimate(flight.row, asked.shape))

    def moved(self, asked: Asked, flight: Flight, outcome: Outcome | None, detail: str | None = None) -> None:
        """Tell whoever watches what became of an attempt."""
        if self._bus.watched:
            offer = flight.row.offer
            self._bus.publish(
                RequestMoved(
                    id=asked.decision.id,
                    backend=offer.backend,
                    target=offer.model,
                    outcome=outcome,
                    detail=detail,
                )
            )

    def landed(self, flight: Flight, status: int | None, ending: Ending, error: BagoError | None) -> None:
        """An attempt is over: its slot is free, and its breaker knows."""
        offer, attempt, now = flight.row.offer, flight.attempt, time.monotonic()
        attempt.ended = now - flight.began + attempt.started
        attempt.status = status
        attempt.outcome, attempt.detail, attempt.cause = ending
        flight.load.release(flight.row.cost)
        flight.load.ended(status, ending.outcome)
        cause = cause_of(error) if error is not None else None
        if cause is not None and error is not None:
            self.breakers.failed(offer.backend, offer.model, now, error.message, cause, error.retry_after)
        elif status is None or ending.outcome == "cancelled":
            self.breakers.left(offer.backend, offer.model)
        else:
            self.breakers.succeeded(offer.backend, offer.model)

    def overtaken(self, flight: Flight, shape: Shape, *, frozen: bool) -> None:
        """An attempt lost its race while it was still silent; ``frozen`` is a peer that admitted nothing."""
        offer, now = flight.row.offer, time.monotonic()
        silent = now - flight.began
        flight.load.slowness.saw(silent / patience.estimate(flight.row, shape))
        self.breakers.failed(
            offer.backend,
            offer.model,
            now,
            f"no sign of life for {silent:.1f} s" if frozen else f"late: nothing for {silent:.1f} s",
            "frozen" if frozen else "late",
        )

    def over(self, asked: Asked, answer: Answer | None, status: int | None, ending: Ending) -> None:
        """The request is over; ``answer`` is what the client was given, if anything."""
        decision, now = asked.decision, time.monotonic()
        last = decision.attempts[-1] if decision.attempts else None
        if answer is not None:
            last = answer.flight.attempt
            decision.prompt_tokens, decision.completion_tokens = answer.usage.tokens()
            for attempt in decision.attempts:  # a second one is called back, but has not heard of it yet
                if attempt.outcome == "open":
                    attempt.outcome = "overtaken"
            self._measure(asked, answer, now)
        self.records.over(decision, now - asked.ticket.arrived, status, ending)
        self.recorder(decision)
        if self._bus.watched:
            self._bus.publish(
                RequestEnded(
                    id=decision.id,
                    model=decision.model,
                    backend=last.backend if last is not None else None,
                    outcome=ending.outcome,
                    detail=ending.detail,
                    seconds=decision.seconds or 0.0,
                    tokens=decision.completion_tokens,
                    target=last.model if last is not None else None,
                    status=status,
                    verdict=verdict(status, ending.outcome),
                )
            )

    def _measure(self, asked: Asked, answer: Answer, now: float) -> None:
        """Learn the speed: of a stream from its writing, of a whole answer from all of its work."""
        tokens, flight = asked.decision.completion_tokens, answer.flight
        first = flight.attempt.first_byte
        if not tokens or first is None:
            return
        if answer.usage.stream:
            flight.load.measured(tokens, now - asked.ticket.arrived - first)
        elif tokens >= ENOUGH:
            work = flight.row.cost - asked.shape.answer + tokens
            flight.load.measured(work, first - flight.attempt.started - flight.row.latency)


ENOUGH = 8
"""Tokens of a whole answer that tell something of the speed."""
