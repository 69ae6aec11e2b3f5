"""Tries backends in the planned order until one answers, and learns from how they do."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ..errors import BagoError
from ..events import Bus
from ..router import (
    Affinity,
    FairQueue,
    Inputs,
    Offer,
    Plan,
    Row,
    Shape,
    Table,
    survey,
)
from ..router import plan as decide
from ..router.breaker import State, counts
from ..router.outcome import CANCELLED, OK, OVERTAKEN, Ending, failed
from ..wire import Counts
from . import patience
from .accounts import Accounts
from .answer import Answer
from .asked import Asked
from .base import Backend, Request
from .failures import Gone, accept, answered, is_local_to
from .nobody import nobody
from .patience import Patience
from .race import Race
from .stalls import Stalls
from .waiting import Waiting


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
        self.latencies: dict[str, float] = {}
        """Seconds of a round trip to each backend, kept by whoever probes it."""
        self.affinity = Affinity()
        self.queue = FairQueue(max_queue)
        self.accounts = Accounts(bus)
        self.loads = self.accounts.loads
        """By backend and model."""
        self.breakers = self.accounts.breakers
        """Of all backends."""
        self.records = self.accounts.records
        """The last decisions."""
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
        self.affinity.forget(backend_id)
        self.accounts.forget(backend_id)
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
            self._over(asked, None, error.status, failed(error))
            raise
        except asyncio.CancelledError:
            self._over(asked, None, None, CANCELLED)
            raise
        except BaseException as error:
            self._over(asked, None, 500, Ending("failed", f"mistake: {type(error).__name__}"))
            raise
        answer.given = True
        row = answer.flight.row
        if row is not chosen.rows[0]:
            self.affinity.remember(row.offer.backend, row.offer.model, shape.prefix)
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
        self.accounts.load(row.offer).reserve(row.cost, self._turn)
        if len(chosen.rows) > 1:
            self.affinity.remember(row.offer.backend, row.offer.model, asked.shape.prefix)

    def _give_back(self, asked: Asked, chosen: Plan) -> None:
        """The slot is not used after all."""
        row = chosen.rows[0]
        self.accounts.load(row.offer).release(row.cost)
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
        if row.suspect or offer.state != "ready" or self.accounts.load(offer).in_flight >= row.capacity:
            return False
        return offer.backend in self.backends and (offer.local or self._state(offer) == "closed")

    def _state(self, offer: Offer) -> State:
        return self.breakers.look(offer.backend, offer.model, time.monotonic())[0]

    async def _attempt(
        self,
        asked: Asked,
        row: Row,
        rest: deque[Row],
        race: Race[Answer] | None,
        *,
        reserved: bool = False,
        hedge: bool = False,
    ) -> Answer:
        request, shape, accounts = asked.request, asked.shape, self.accounts
        offer, now = row.offer, time.monotonic()
        load = accounts.load(offer)
        if not reserved:
            load.reserve(row.cost, self._turn)
        flight = accounts.took_off(asked, row, load, now, hedge=hedge)
        first = race if not hedge else None
        admitted = False
        if first is not None:
            first.late_after(patience.until_admission(row, load, shape))
        if offer.peer:

            def admit() -> None:
                nonlocal admitted
                admitted, took = True, time.monotonic() - now
                accounts.admitted(flight, took)
                if first is not None:
                    left = patience.until_first_byte(row, load, shape)
                    first.late_after(None if left is None else max(0.0, left - took))

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
                accounts.landed(flight, None, failed(failure) if failure else CANCELLED, failure)
                self._waiting.wake()
            if lost and failure is None:
                flight.attempt.outcome, flight.attempt.detail, flight.attempt.cause = OVERTAKEN
            if lost and not hedge:
                accounts.overtaken(flight, shape, frozen=offer.peer and not admitted)
            accounts.moved(asked, flight, flight.attempt.outcome, flight.attempt.detail)
            raise
        accounts.answered(asked, flight, answer.status, not counts(answer.status))
        return answer

    def _answer_over(self, asked: Asked, answer: Answer, error: BagoError | None) -> None:
        self._stalls.over(answer)
        status, flight = answer.status, answer.flight
        ending = failed(error) if error else OK if answer.done else CANCELLED
        if error is None and counts(status) and not answer.mistaken:  # its own word, which the client gets
            error = answered(status, answer.node, answer.retry_after)
            ending = failed(error)
        self.accounts.landed(flight, status, ending, error)
        self._waiting.wake()
        if answer.given:
            self._over(asked, answer, status, ending)

    def _over(self, asked: Asked, answer: Answer | None, status: int | None, ending: Ending) -> None:
        self.queue.ended(asked.ticket, time.monotonic())
        self.accounts.over(asked, answer, status, ending)
