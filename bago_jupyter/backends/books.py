"""Keeps the books of every attempt: loads, breakers, records, statistics, and who is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import BagoError
from ..events import Bus, RequestEnded, RequestMoved, RequestStarted
from ..router import Breakers, Load, Offer, Row, Shape
from ..router.load import SMOOTHING
from ..router.outcome import OK, Ending
from ..statistics import Collector
from ..text import plain
from ..wire import Counts, Outcome, Verdict
from . import patience
from .failures import ELSEWHERE, HARMLESS, ILL, cause_of
from .record import Flight, Record
from .records import KEPT, Records

NONE = (None, None)
"""Tokens of what nothing is known of."""
ENOUGH = 8
"""Tokens of an answer that tell something of the speed."""
AT_ONCE = 0.02
"""Seconds from the first byte of a stream to its last in which it came all at once."""


def verdict(status: int | None, outcome: Outcome) -> Verdict:
    """What counts for statistics, from the ``status`` and the ``outcome`` that a decision records.

    A whole answer with a status from 400 on has failed, whoever is to blame.
    """
    if outcome == "cancelled":
        return "cancelled"
    return "ok" if outcome == "ok" and status is not None and status < 400 else "failed"


def is_clients(status: int | None, ending: Ending, error: BagoError | None) -> bool:
    """Whether an attempt ended as it did because of what the client had asked: the backend said so."""
    if error is not None:
        return error.cause in HARMLESS and error.cause != "gone"
    return ending is OK and status is not None and status >= 400 and status not in ELSEWHERE


class Books:
    """What is known of each (backend, model), and the records. Belongs to the node's loop."""

    def __init__(self, bus: Bus) -> None:
        self.loads: dict[tuple[str, str], Load] = {}
        self.breakers = Breakers()
        self.records = Records()
        self.flying: set[Record] = set()
        """Requests that are not over."""
        self.collector = Collector()
        """Counts requests that are over; whoever keeps the statistics takes from it."""
        self.turn = 0
        """Counts the decisions."""
        self.last = 0.0
        """When a request was over for the last time, by the monotonic clock."""
        self.listeners: dict[str, Callable[[str | None], None]] = {}
        """Who is told, by backend, that a request failed there by its fault, and why; and with ``None`` of
        the answers after that."""
        self._bus = bus

    def counts(self) -> Counts:
        """Requests since the start."""
        counts = self.records.counts
        counts.in_flight = len(self.flying)
        return counts

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

    def arrived(self, record: Record) -> None:
        """A request is taken in."""
        records = self.records
        records.kept[record.id] = record
        if len(records.kept) > KEPT:
            records.kept.popitem(last=False)
        records.counts.total += 1
        self.flying.add(record)

    def reserve(self, offer: Offer, work: int) -> Load:
        """A request of ``work`` tokens is to go there, by the latest decision."""
        load = self.loads.get((offer.backend, offer.model)) or self.load(offer)
        load.in_flight += 1
        load.work += work
        load.last = self.turn
        return load

    def release(self, offer: Offer, work: int) -> None:
        """It does not go there after all."""
        load = self.load(offer)
        load.in_flight -= 1
        load.work -= work

    def took_off(self, record: Record, row: Row, load: Load, now: float, *, hedge: bool = False) -> Flight:
        """An attempt begins; its work is reserved in ``load`` already."""
        offer = row.offer
        flight = Flight(row, load, now, now - record.arrived, hedge)
        record.attempts.append(flight)
        if self.breakers.all:
            self.breakers.began(offer.backend, offer.model, now)
        if self._bus.watched:
            self._bus.publish(
                RequestStarted(
                    id=record.id,
                    model=plain(record.model),
                    backend=offer.backend,
                    target=offer.model,
                    attempt=len(record.attempts),
                )
            )
        return flight

    def admitted(self, flight: Flight, seconds: float) -> None:
        """A peer has said that it has the request."""
        flight.load.admission.saw(seconds)
        self.breakers.lives(flight.backend)

    def answered(
        self, record: Record, flight: Flight, status: int, now: float, *, fine: bool, alone: bool
    ) -> None:
        """The first byte is there; ``fine`` is whether the status is none of the backend's failures.

        ``alone`` is whether nobody else could have been asked: then nothing is ever late.
        """
        took = now - flight.began
        flight.first_byte = took + flight.started
        if fine and self.breakers.all:
            self.breakers.lives(flight.backend, flight.model)
        if self._bus.watched:
            if status < 400:
                self.moved(record, flight, None)
            else:
                self.moved(record, flight, "failed", f"HTTP {status}")
        if not alone and flight.row.offer.state == "ready":
            flight.load.slowness.saw(took / patience.estimate(flight.row, record.shape))

    def moved(
        self, record: Record, flight: Flight, outcome: Outcome | None, detail: str | None = None
    ) -> None:
        """Tell whoever watches what became of an attempt."""
        if self._bus.watched:
            self._bus.publish(
                RequestMoved(
                    id=record.id, backend=flight.backend, target=flight.model, outcome=outcome, detail=detail
                )
            )

    def landed(
        self, flight: Flight, status: int | None, ending: Ending, error: BagoError | None, now: float
    ) -> None:
        """An attempt is over: its slot is free, and its breaker knows."""
        load = flight.load
        flight.ended = now - flight.began + flight.started
        flight.status = status
        flight.outcome, flight.detail, flight.cause = ending
        load.in_flight -= 1
        load.work -= flight.row.cost
        if (ending is OK and status == 200) or is_clients(status, ending, error):
            load.ok += 1
        else:
            kind = verdict(status, ending.outcome)
            setattr(load, kind, getattr(load, kind) + 1)
        if error is not None or self.breakers.all:
            self._judge(flight, status, ending, error, now)

    def overtaken(self, flight: Flight, shape: Shape, *, frozen: bool) -> None:
        """An attempt lost its race while it was still silent; ``frozen`` is a peer that admitted nothing."""
        now = time.monotonic()
        silent = now - flight.began
        flight.load.slowness.saw(silent / patience.estimate(flight.row, shape))
        self.breakers.failed(
            flight.backend,
            flight.model,
            now,
            f"no sign of life for {silent:.1f} s" if frozen else f"late: nothing for {silent:.1f} s",
            "frozen" if frozen else "late",
        )

    def over(
        self,
        record: Record,
        flight: Flight | None,
        status: int | None,
        ending: Ending,
        tokens: tuple[int | None, int | None],
        now: float,
    ) -> None:
        """The request is over; ``flight`` is what the client was given, if anything, with its ``tokens`` of
        prompt and answer."""
        self.last = now
        counts = self.records.counts
        seconds = record.seconds = now - record.arrived
        record.status = status
        record.outcome, record.detail, record.cause = ending
        record.request = None
        self.flying.discard(record)
        kind = record.verdict = verdict(status, ending.outcome)
        setattr(counts, kind, getattr(counts, kind) + 1)
        attempts = record.attempts
        if flight is not None:
            if len(attempts) > 1:
                for attempt in attempts:  # a second one is called back, but has not heard of it yet
                    if attempt.outcome == "open":
                        attempt.outcome = "overtaken"
            prompt, completion = record.prompt_tokens, record.completion_tokens = tokens
            counts.prompt_tokens += prompt or 0
            if completion:
                counts.completion_tokens += completion
                self._measure(record, flight, completion, seconds)
        last = flight or (attempts[-1] if attempts else None)
        if flight is not None and len(attempts) == 1:  # as most do
            minute = int(record.at + seconds) // 60 * 60
            key = minute, flight.model, flight.node, record.caller, record.dialect
            (self.collector.pending.get(key) or self.collector.cell(record, flight)).add(record, flight)
        else:
            self.collector.record(record)
        if self._bus.watched:
            self._bus.publish(
                RequestEnded(
                    id=record.id,
                    model=plain(record.model),
                    backend=last.backend if last is not None else None,
                    outcome=ending.outcome,
                    detail=ending.detail,
                    seconds=seconds,
                    tokens=record.completion_tokens,
                    target=last.model if last is not None else None,
                    status=status,
                    verdict=kind,
                )
            )

    def _judge(
        self, flight: Flight, status: int | None, ending: Ending, error: BagoError | None, now: float
    ) -> None:
        cause = cause_of(error) if error is not None else None
        listener = self.listeners.get(flight.backend)
        if cause is not None and error is not None:
            self.breakers.failed(flight.backend, flight.model, now, error.message, cause, error.retry_after)
            if listener is not None and cause in ILL:
                listener(error.message)
        elif status is None or ending.outcome == "cancelled":
            self.breakers.left(flight.backend, flight.model)
        else:
            self.breakers.succeeded(flight.backend, flight.model)
            if listener is not None and status < 400:  # a proxy can refuse a request for a dead server
                listener(None)

    def _measure(self, record: Record, flight: Flight, tokens: int, seconds: float) -> None:
        """Learn the speed: of a stream from its writing, of a whole answer from all of its work."""
        first = flight.first_byte
        if first is None or tokens < ENOUGH:
            return
        if record.stream and seconds - first > AT_ONCE:
            work, took = tokens, seconds - first
        else:
            work = flight.row.cost - record.shape.answer + tokens
            took = seconds - flight.started - flight.row.latency
        if took > 0:
            flight.load.speed += SMOOTHING * (work / took - flight.load.speed)
