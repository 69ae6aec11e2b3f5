"""Tries backends in the planned order until one answers, and learns from how they do."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from ..errors import BagoError
from ..events import Bus, RequestEnded, RequestMoved, RequestStarted
from ..router import (
    Affinity,
    Breakers,
    FairQueue,
    Inputs,
    Load,
    Offer,
    Plan,
    Row,
    Shape,
    Table,
    Ticket,
    survey,
)
from ..router import plan as decide
from ..router.breaker import State, counts
from ..wire import Attempt, Counts, Decision
from . import patience
from .answer import Answer, Flight
from .base import Backend, Request
from .failures import Gone, accept, answered, cause_of, is_local_to
from .nobody import nobody
from .patience import Patience
from .race import Race
from .records import Records
from .stalls import Stalls
from .waiting import Waiting


class Asked(NamedTuple):
    """One request on its way through the dispatcher."""

    request: Request
    shape: Shape
    decision: Decision
    ticket: Ticket


class Dispatcher:
    """Backends, catalogue, loads, breakers, queue and records of one node. Belongs to the node's loop."""

    def __init__(
        self, bus: Bus, *, policy: str = "balanced", max_queue: int = 256, idle_timeout: float = 120.0
    ):
        self.policy = policy
        self.idle_timeout = idle_timeout
        """Seconds without a byte in the middle of an answer after which its backend counts as frozen."""
        self.backends: dict[str, Backend] = {}
        self.table = Table()
        self.routes: Mapping[str, Sequence[str]] = {}
        """Further names of models, each for a chain tried in order; :meth:`refresh` after a change."""
        self.loads: dict[tuple[str, str], Load] = {}
        self.latencies: dict[str, float] = {}
        """Seconds of a round trip to each backend, kept by whoever probes it."""
        self.breakers = Breakers()
        self.affinity = Affinity()
        self.records = Records()
        self.queue = FairQueue(max_queue)
        self.recorder: Callable[[Decision], None] = lambda decision: None
        """Called with every decision when its request is over; must not wait."""
        self._bus = bus
        self._turn = 0
        self._patience = Patience()
        self._waiting = Waiting(self.queue, self._choose, self._start, self._give_back)
        self._stalls = Stalls(lambda: self.idle_timeout)

    @property
    def counts(self) -> Counts:
        """Requests since the node started."""
        return self.records.counts

    def configure(self, policy: str, max_queue: int, idle_timeout: float) -> None:
        """Take over changed settings."""
        self.policy, self.queue.bound, self.idle_timeout = policy, max_queue, idle_timeout
        self._waiting.wake()

    def add(self, backend: Backend) -> None:
        """Take ``backend`` into the catalogue."""
        self.backends[backend.id] = backend
        self.refresh()

    def remove(self, backend_id: str) -> None:
        """Take a backend out of the catalogue."""
        self.backends.pop(backend_id, None)
        self.latencies.pop(backend_id, None)
        self.breakers.forget(backend_id)
        self.affinity.forget(backend_id)
        for key in [key for key in self.loads if key[0] == backend_id and not self.loads[key].in_flight]:
            del self.loads[key]
        self.refresh()

    def refresh(self) -> None:
        """Rebuild the catalogue after a backend's offers, or the routes, changed."""
        offers = (offer for backend in self.backends.values() for offer in backend.offers())
        self.table = Table(offers, self.routes)
        self._waiting.wake()

    async def close(self) -> None:
        """Close every backend's connections."""
        self._stalls.close()
        for backend in self.backends.values():
            await backend.close()

    async def open(self, request: Request, shape: Shape) -> Answer:
        """Send ``request`` to the best target, the next one if that fails before the first byte.

        Waits in the caller's fair order while every slot is taken. Raises a :class:`BagoError` when nobody
        answers; otherwise the answer has a first byte, or is an error of the backend's own that another
        backend would give as well.
        """
        decision = self.records.begin(request, shape, self.policy)
        ticket = self.queue.ticket(shape.caller, shape.model, shape.work(), time.monotonic())
        asked = Asked(request, shape, decision, ticket)
        try:
            chosen = self._choose(asked)
            if chosen.waits:
                chosen = await self._waiting.wait(asked, chosen)
                decision.queued = time.monotonic() - ticket.arrived
            else:
                self._start(asked, chosen)
            answer = await self._try_all(asked, chosen)
        except BagoError as error:
            self._decision_over(asked, None, error.status, error.message)
            raise
        except asyncio.CancelledError:
            self._decision_over(asked, None, None, "cancelled")
            raise
        except BaseException as error:
            self._decision_over(asked, None, 500, f"mistake: {type(error).__name__}")
            raise
        answer.given = True
        return answer

    # -- deciding

    def _choose(self, asked: Asked, ahead: int | None = None) -> Plan:
        """Decide as things stand now. Raises a :class:`BagoError` when nobody can answer."""
        shape, ticket, now = asked.shape, asked.ticket, time.monotonic()
        self._turn += 1
        rows = survey(
            self.table,
            shape,
            loads=self.loads,
            breakers=self.breakers,
            affinity=self.affinity,
            latencies=self.latencies,
            now=now,
            keep=int(self.queue.leaves_one(shape.caller, now)),
        )
        if ahead is None:
            ahead = self.queue.ahead(shape.model, ticket.order) if len(self.queue) else 0
        inputs = Inputs(shape, rows, self.policy, self._turn, ahead)
        chosen = decide(inputs)
        self.records.decided(asked.decision.id, inputs, chosen)
        if not chosen.rows:
            raise nobody(shape, chosen, self.table)
        return chosen

    def _start(self, asked: Asked, chosen: Plan) -> None:
        """Take the slot of the first target."""
        row = chosen.rows[0]
        self.queue.started(asked.ticket)
        self._load(row.offer).reserve(asked.shape.work(row.warm), self._turn)
        if len(chosen.rows) > 1:
            self.affinity.remember(row.offer.backend, row.offer.model, asked.shape.prefix)

    def _give_back(self, asked: Asked, chosen: Plan) -> None:
        """The slot is not used after all."""
        row = chosen.rows[0]
        self._load(row.offer).release(asked.shape.work(row.warm))
        self._waiting.wake()

    # -- trying

    async def _try_all(self, asked: Asked, chosen: Plan) -> Answer:
        rows = deque(chosen.rows)
        self._patience.asked()
        first = True
        while True:
            row = rows.popleft() if first else self._next(rows)
            try:
                if rows:
                    race: Race[Answer] = Race(partial(self._hedge, asked, row, rows))
                    return await race.run(self._attempt(asked, row, rows, race, reserved=first))
                return await self._attempt(asked, row, rows, None, reserved=first)
            except BagoError as error:
                if not rows or not is_local_to(error):
                    raise
            first = False

    def _next(self, rows: deque[Row]) -> Row:
        """Take the best of ``rows`` that is not known by now to fail, else the best."""
        row = next((row for row in rows if row.offer.local or self._state(row.offer) != "open"), rows[0])
        rows.remove(row)
        return row

    def _hedge(
        self, asked: Asked, late: Row, rows: deque[Row], race: Race[Answer]
    ) -> Coroutine[Any, Any, Answer] | None:
        """The attempt beside one that is late, if somebody has a slot for it."""
        spare = next((row for row in rows if self._has_slot(row) and row.rank == late.rank), None)
        if spare is None or not self._patience.spend():
            return None
        rows.remove(spare)
        return self._attempt(asked, spare, rows, race, hedge=True)

    def _has_slot(self, row: Row) -> bool:
        offer = row.offer
        if row.suspect or offer.state != "ready" or self._load(offer).in_flight >= row.capacity:
            return False
        return offer.backend in self.backends and (offer.local or self._state(offer) == "closed")

    def _state(self, offer: Offer) -> State:
        return self.breakers.look(offer.backend, offer.model, time.monotonic())[0]

    async def _attempt(
        self,
        asked: Asked,
        row: Row,
        rest: Sequence[Row] | deque[Row],
        race: Race[Answer] | None,
        *,
        reserved: bool = False,
        hedge: bool = False,
    ) -> Answer:
        request, shape = asked.request, asked.shape
        offer, now = row.offer, time.monotonic()
        flight = self._take_off(asked, row, now, reserved, hedge)
        load = self._load(offer)
        admitted: float | None = None
        if race is not None and not hedge:
            race.late_after(patience.until_admission(row, load, shape))
        if offer.peer:

            def admit() -> None:
                nonlocal admitted
                admitted = time.monotonic() - now
                load.admission.saw(admitted)
                self.breakers.lives(offer.backend)
                if race is not None and not hedge:
                    left = patience.until_first_byte(row, load, shape)
                    race.late_after(None if left is None else max(0.0, left - admitted))

            request = msgspec.structs.replace(request, admitted=admit)
        answer: Answer | None = None
        try:
            backend = self.backends.get(offer.backend)
            if backend is None:  # since it was chosen
                raise Gone(f"{offer.node} was removed.", retry_after=1.0)
            opened = await backend.open(request, offer)
            flight.attempt.headers = time.monotonic() - now + flight.attempt.started
            answer = Answer(asked.decision, flight, opened, shape.stream, partial(self._answer_over, asked))
            self._stalls.watch(answer)
            others = bool(rest) or hedge or (race is not None and race.running)
            await accept(answer, offer, others)
        except BaseException as error:
            failure = error if isinstance(error, BagoError) else None
            lost = race is not None and race.lost
            if answer is not None:
                answer.close(failure)
            else:
                self._landed(flight, None, failure.message if failure else "cancelled", failure)
            if lost and failure is None:
                flight.attempt.outcome = "overtaken"
            if lost and not hedge:
                self._overtaken(flight, load, shape, frozen=offer.peer and admitted is None)
            self._moved(asked, flight, flight.attempt.outcome)
            raise
        took = time.monotonic() - now
        flight.attempt.first_byte = took + flight.attempt.started
        if not counts(answer.status):
            self.breakers.lives(offer.backend, offer.model)
        self._moved(asked, flight, None if answer.status < 400 else f"HTTP {answer.status}")
        if offer.state == "ready":
            load.slowness.saw(took / patience.estimate(row, shape))
        return answer

    # -- accounts

    def _take_off(self, asked: Asked, row: Row, now: float, reserved: bool, hedge: bool) -> Flight:
        offer, decision, work = row.offer, asked.decision, asked.shape.work(row.warm)
        if not reserved:
            self._load(offer).reserve(work, self._turn)
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
                    id=decision.id, model=asked.shape.model, backend=offer.backend, target=offer.model
                )
            )
        return Flight(row, attempt, work, now, asked.request.header_timeout)

    def _moved(self, asked: Asked, flight: Flight, outcome: str | None) -> None:
        if self._bus.watched:
            offer = flight.row.offer
            self._bus.publish(
                RequestMoved(id=asked.decision.id, backend=offer.backend, target=offer.model, outcome=outcome)
            )

    def _landed(self, flight: Flight, status: int | None, outcome: str, error: BagoError | None) -> None:
        """An attempt is over: its slot is free, and its breaker knows."""
        offer, attempt, now = flight.row.offer, flight.attempt, time.monotonic()
        attempt.ended = now - flight.began + attempt.started
        attempt.status = status
        attempt.outcome = outcome
        load = self._load(offer)
        load.release(flight.work)
        load.ended(status, outcome)
        cause = cause_of(error) if error is not None else None
        if cause is not None and error is not None:
            self.breakers.failed(offer.backend, offer.model, now, outcome, cause, error.retry_after)
        elif status is None or outcome == "cancelled":
            self.breakers.left(offer.backend, offer.model)
        else:
            self.breakers.succeeded(offer.backend, offer.model)
        self._waiting.wake()

    def _overtaken(self, flight: Flight, load: Load, shape: Shape, *, frozen: bool) -> None:
        offer, now = flight.row.offer, time.monotonic()
        silent = now - flight.began
        load.slowness.saw(silent / patience.estimate(flight.row, shape))
        self.breakers.failed(
            offer.backend,
            offer.model,
            now,
            f"no sign of life for {silent:.1f} s" if frozen else f"late: nothing for {silent:.1f} s",
            "frozen" if frozen else "late",
        )

    def _answer_over(self, asked: Asked, answer: Answer, error: BagoError | None) -> None:
        self._stalls.over(answer)
        status, flight = answer.status, answer.flight
        outcome = error.message if error else "ok" if answer.done else "cancelled"
        if error is None and counts(status) and not answer.mistaken:  # its own word, which the client gets
            error = answered(status, answer.node, answer.retry_after)
            outcome = error.message
        self._landed(flight, status, outcome, error)
        if answer.given:
            self._decision_over(asked, answer, status, outcome)

    def _decision_over(self, asked: Asked, answer: Answer | None, status: int | None, outcome: str) -> None:
        decision, now = asked.decision, time.monotonic()
        self.queue.ended(asked.ticket, now)
        if answer is not None:
            decision.prompt_tokens, decision.completion_tokens = answer.usage.tokens()
            for attempt in decision.attempts:  # a second one is called back, but has not heard of it yet
                if attempt.outcome == "open":
                    attempt.outcome = "overtaken"
        self.records.over(decision, now - asked.ticket.arrived, status, outcome)
        last = decision.attempts[-1] if decision.attempts else None
        if answer is not None:
            last = answer.flight.attempt
            if answer.usage.stream and decision.completion_tokens and last.first_byte is not None:
                writing = now - asked.ticket.arrived - last.first_byte
                self._load(answer.flight.row.offer).measured(decision.completion_tokens, writing)
        self.recorder(decision)
        if self._bus.watched:
            self._bus.publish(
                RequestEnded(
                    id=decision.id,
                    model=decision.model,
                    backend=last.backend if last is not None else None,
                    outcome=outcome,
                    seconds=decision.seconds or 0.0,
                    tokens=decision.completion_tokens,
                    target=last.model if last is not None else None,
                    status=status,
                )
            )

    def _load(self, offer: Offer) -> Load:
        key = (offer.backend, offer.model)
        load = self.loads.get(key)
        if load is None:
            load = self.loads[key] = Load()
        return load
