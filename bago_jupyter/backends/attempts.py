"""The long way of a request: attempts that wait, load, translate or come one after another, in a task."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, cast

import msgspec

from ..errors import BagoError
from ..http1 import Response
from ..router import Offer, Plan, Row
from ..router.breaker import State, counts
from ..router.outcome import CANCELLED, OK, OVERTAKEN, Ending, failed
from . import patience
from .answer import Answer
from .base import Backend, Beginner
from .books import Books
from .coded import unpacked
from .failures import Gone, accept, answered, is_local_to, roomier
from .hushed import guarded
from .patience import Patience
from .race import Race
from .record import Flight, Record
from .sound import sound, told_last

Sent = tuple[Flight, Response]
"""An attempt that is under way already."""
MOST = 16
"""Attempts one after the other for one request: its client waits for each of them."""


class Attempts:
    """Tries targets in the planned order until one answers. Belongs to the node's loop.

    ``landed`` is called when a slot is free again; ``over`` when an answer that was given has ended.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend],
        books: Books,
        landed: Callable[[], None],
        over: Callable[[Record, Answer, int, Ending], None],
    ):
        self._patience = Patience(books.records.counts)
        self._backends = backends
        self._books = books
        self._landed = landed
        self._over = over

    async def try_all(self, record: Record, chosen: Plan, sent: Sent | None = None) -> Answer:
        """The first answer, whose slot is reserved at the first target; ``sent`` is the attempt there, if it
        was sent already. Raises a :class:`BagoError` when nobody answers."""
        rows = deque(chosen.rows)
        first = True
        while True:
            row = rows.popleft() if first else self._next(rows)
            if len(record.attempts) >= MOST - 1:
                rows.clear()
            try:
                if rows:
                    race: Race[Answer] = Race(partial(self._hedge, record, row, rows))
                    return await race.run(self._attempt(record, row, rows, race, reserved=first, sent=sent))
                return await self._attempt(record, row, rows, None, reserved=first, sent=sent)
            except BagoError as error:
                if error.cause == "context":
                    rows = deque([row for row in rows if roomier(row, record)])
                if not rows or not is_local_to(error):
                    raise
            first, sent = False, None

    def answer_over(self, record: Record, answer: Answer, error: BagoError | None) -> None:
        """An answer has ended, with the error that broke it, if one did."""
        status, flight = answer.status, answer.flight
        if error is None and answer.usage.failed:
            error = told_last(answer.usage, answer.node)
        ending = failed(error) if error else OK if answer.done else CANCELLED
        if error is None and counts(status) and not answer.mistaken:  # its own word, which the client gets
            error = answered(status, answer.node, answer.retry_after)
            ending = failed(error)
        self._books.landed(flight, status, ending, error, time.monotonic())
        self._landed()
        if answer.given:
            self._over(record, answer, status, ending)

    def _next(self, rows: deque[Row]) -> Row:
        """Take the best of ``rows`` that is not known by now to fail, else the best."""
        row = next((row for row in rows if row.offer.local or self._state(row.offer) != "open"), rows[0])
        rows.remove(row)
        return row

    def _hedge(
        self, record: Record, late: Row, rows: deque[Row], race: Race[Answer]
    ) -> Coroutine[Any, Any, Answer] | None:
        """The attempt beside one that is late, if somebody has a slot for it."""
        spare = next((row for row in rows if self._has_slot(row) and _instead(row, late)), None)
        if spare is None or not self._patience.spend():
            return None
        rows.remove(spare)
        return self._attempt(record, spare, rows, race, hedge=True)

    def _has_slot(self, row: Row) -> bool:
        offer = row.offer
        if row.suspect or offer.state != "ready" or self._books.load(offer).in_flight >= row.capacity:
            return False
        return offer.backend in self._backends and (offer.local or self._state(offer) == "closed")

    def _state(self, offer: Offer) -> State:
        return self._books.breakers.look(offer.backend, offer.model, time.monotonic())[0]

    async def _attempt(
        self,
        record: Record,
        row: Row,
        rest: deque[Row],
        race: Race[Answer] | None,
        *,
        reserved: bool = False,
        hedge: bool = False,
        sent: Sent | None = None,
    ) -> Answer:
        books, offer = self._books, row.offer
        load, request = books.load(offer), record.request
        assert request is not None
        if sent is not None:
            flight = sent[0]
        else:
            if not reserved:
                books.reserve(offer, row.cost)
            flight = books.took_off(record, row, load, time.monotonic(), hedge=hedge)
        first = race if not hedge else None
        admitted = False
        if first is not None:
            first.late_after(_left(patience.until_admission(row, load, record.shape), flight))
        if offer.peer:

            def admit() -> None:
                nonlocal admitted
                admitted = True
                books.admitted(flight, time.monotonic() - flight.began)
                if first is not None:
                    first.late_after(_left(patience.until_first_byte(row, load, record.shape), flight))

            request = msgspec.structs.replace(request, admitted=admit)
        answer: Answer | None = None
        try:
            backend = self._backends.get(offer.backend)
            if backend is None:  # since it was chosen
                if sent is not None:
                    sent[1].close()
                raise Gone(f"{offer.node} was removed.", retry_after=1.0)
            if sent is None:
                opened = await backend.open(request, offer)
            else:
                opened = await cast(Beginner, backend).open(request, offer, sent[1])
            flight.headers = time.monotonic() - record.arrived
            told = sound(
                unpacked(opened.exchange),
                record.dialect,
                record.stream,
                path=request.path,
                node=offer.node,
                patience=request.header_timeout,
            )
            opened = opened._replace(exchange=guarded(told, opened.key, record.stream))
            answer = Answer(record, flight, opened, record.stream, partial(self.answer_over, record))
            beside = hedge or (race is not None and race.running)
            room = beside or any(roomier(row, record, offer) for row in rest)
            await accept(answer, offer, beside or bool(rest), room)
        except BaseException as error:
            failure = error if isinstance(error, BagoError) else None
            lost = race is not None and race.lost
            if answer is not None:
                answer.close(failure)
            else:
                ending = failed(failure) if failure else CANCELLED
                books.landed(flight, None, ending, failure, time.monotonic())
                self._landed()
            if lost and failure is None:
                flight.outcome, flight.detail, flight.cause = OVERTAKEN
            if lost and not hedge:
                books.overtaken(flight, record.shape, frozen=offer.peer and not admitted)
            books.moved(record, flight, flight.outcome, flight.detail)
            raise
        books.answered(
            record,
            flight,
            answer.status,
            time.monotonic(),
            fine=not counts(answer.status),
            alone=False,
        )
        return answer


def _instead(row: Row, late: Row) -> bool:
    """Whether ``row`` may be asked beside one that is ``late``: for the same model, and with as good a chance
    that the prompt fits."""
    return row.rank == late.rank and row.tight <= late.tight


def _left(seconds: float | None, flight: Flight) -> float | None:
    """What is left of ``seconds`` from the start of an attempt."""
    return None if seconds is None else max(0.0, seconds - (time.monotonic() - flight.began))
