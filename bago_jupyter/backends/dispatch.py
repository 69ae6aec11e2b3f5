"""Who gets a request: the catalogue, the decision and the queue; the attempts follow from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from ..errors import BagoError, Unavailable
from ..events import Bus
from ..http1 import Response
from ..router import Affinity, FairQueue, Inputs, Plan, Shape, Table, Ticket, Weights, survey
from ..router import plan as decide
from ..router.outcome import CANCELLED, Ending, failed
from ..trust.secret import Secret
from ..wire import Counts
from .answer import Answer
from .attempts import Attempts, Sent
from .base import Backend, Beginner, Request
from .books import NONE, Books
from .nobody import nobody
from .record import Flight, Record
from .records import FEW
from .waiting import Waiting

STOPPING = Unavailable("The node is stopping; ask again in a moment.", retry_after=2.0)


class Dispatcher:
    """Backends, catalogue, queue and books of one node. Belongs to the node's loop.

    A request takes the short way (:meth:`take`, :meth:`begin`, and what its exchange does with the answer) or
    the long one (:meth:`answer`), in a task: where it waits, where nothing can be sent at once, or where the
    short way ends because something is not as usual. Both keep the same books.
    """

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
        self.weights = Weights()
        """What tells models of one name apart; :meth:`refresh` after a change."""
        self.latencies: dict[str, float] = {}
        """Seconds of a round trip to each backend, kept by whoever probes it."""
        self.affinity = Affinity()
        self.queue = FairQueue(max_queue)
        self.books = Books(bus)
        self.loads = self.books.loads
        """By backend and model."""
        self.breakers = self.books.breakers
        """Of all backends."""
        self.records = self.books.records
        """The last requests."""
        self._begins: dict[str, Callable[[Request], Response | None]] = {}
        self._waiting = Waiting(self.queue, self._choose, self._start, self._give_back)
        self._attempts = Attempts(self.backends, self.books, self._waiting.wake, self._answer_over)

    @property
    def counts(self) -> Counts:
        """Requests since the node started."""
        return self.books.counts()

    def configure(self, policy: str, max_queue: int, idle_timeout: float) -> None:
        """Take over changed settings."""
        self.policy, self.queue.bound, self.idle_timeout = policy, max_queue, idle_timeout
        self._waiting.wake()

    def add(self, backend: Backend) -> None:
        """Take ``backend`` into the catalogue."""
        self.backends[backend.id] = backend
        if isinstance(backend, Beginner):
            self._begins[backend.id] = backend.begin
        self.refresh()

    def remove(self, backend_id: str) -> None:
        """Take a backend out of the catalogue."""
        self.backends.pop(backend_id, None)
        self._begins.pop(backend_id, None)
        self.latencies.pop(backend_id, None)
        self.affinity.forget(backend_id)
        self.books.listeners.pop(backend_id, None)
        self.books.forget(backend_id)
        self.refresh()

    def refresh(self) -> None:
        """Rebuild the catalogue after a backend's offers, or the routes, changed."""
        offers = [offer for backend in self.backends.values() for offer in backend.offers()]
        self.table = Table(offers, self.routes, self.weights.elect(offers, self.backends.keys()))
        self._waiting.wake()

    async def close(self) -> None:
        """Close every backend's connections."""
        for backend in self.backends.values():
            await backend.close()

    async def open(self, request: Request, shape: Shape) -> Answer:
        """Send ``request`` to the best target, the next one if that fails before the first byte.

        Waits in the caller's fair order while every slot is taken. Raises a :class:`BagoError` when nobody
        answers; otherwise the answer has a first byte, or is an error of the backend's own that another
        backend would give as well.
        """
        record = Record(request, shape)
        return await self.answer(record, self.take(record))

    # -- the short way

    def take(self, record: Record) -> Plan:
        """Take a request in and decide; its slot is reserved unless it :attr:`~.router.Plan.waits`.

        Raises a :class:`BagoError` when nobody can answer.
        """
        record.policy = self.policy
        if record.request is not None:
            record.request.idle_timeout = self.idle_timeout
        self.books.arrived(record)
        if self.queue.sole != record.caller:
            self._share(record)
            if record.ticket is None:
                self._give_ticket(record)
        try:
            chosen = self._decide(record, record.arrived)
        except BaseException as error:
            self.fail(record, error)
            raise
        if not chosen.waits:
            self._start(record, chosen)
        elif record.ticket is None:
            self._share(record)
        return chosen

    def begin(self, record: Record, chosen: Plan) -> Sent | None:
        """Send a request to its first target now; ``None`` where it has to take the long way."""
        row, request = chosen.rows[0], record.request
        offer = row.offer
        begin = self._begins.get(offer.backend)
        if begin is None or request is None or request.model != offer.model:
            return None
        if offer.native is not None and request.dialect not in offer.native:
            return None
        response = begin(request)
        if response is None:
            return None
        load = self.loads[offer.backend, offer.model]
        return self.books.took_off(record, row, load, record.arrived), response

    def key_of(self, backend_id: str) -> Secret | None:
        """What a backend is asked with that the short way leads to."""
        backend = self.backends.get(backend_id)
        return backend.key if isinstance(backend, Beginner) else None

    def finish(
        self,
        record: Record,
        flight: Flight,
        status: int | None,
        ending: Ending,
        error: BagoError | None,
        tokens: tuple[int | None, int | None],
        now: float,
    ) -> None:
        """A request is over that took the short way to its end."""
        self.books.landed(flight, status, ending, error, now)
        self.books.over(record, flight, status, ending, tokens, now)
        if record.ticket is not None or self._waiting.waiters:
            self._ended(record)

    # -- the long way

    async def answer(self, record: Record, chosen: Plan, sent: Sent | None = None) -> Answer:
        """The answer to a request that was taken in; ``sent`` is its first attempt, if there is one."""
        try:
            if chosen.waits:
                chosen = await self._waiting.wait(record, chosen)
                record.queued = time.monotonic() - record.arrived
            answer = await self._attempts.try_all(record, chosen, sent)
        except BaseException as error:
            self._unlearn(record, refused=isinstance(error, BagoError))
            self.fail(record, error)
            raise
        answer.given = True
        flight, fine = answer.flight, answer.status < 400
        self._unlearn(record, refused=not fine)
        if fine and flight.row is not chosen.rows[0]:
            self.affinity.remember(flight.backend, flight.model, record.shape.prefix)
        return answer

    def fail(self, record: Record, error: BaseException) -> None:
        """A request has ended with ``error`` before its client was given anything."""
        if isinstance(error, BagoError):
            status: int | None = error.status
            ending = failed(error)
        elif isinstance(error, asyncio.CancelledError):
            status, ending = None, CANCELLED
        else:
            status, ending = 500, Ending("failed", f"mistake: {type(error).__name__}")
        self.books.over(record, None, status, ending, NONE, time.monotonic())
        self._ended(record)

    # -- deciding

    def _choose(self, record: Record, ahead: int = 0) -> Plan:
        """Decide anew for a request that waits, behind ``ahead`` tokens of work for the same model."""
        return self._decide(record, time.monotonic(), ahead)

    def _decide(self, record: Record, now: float, ahead: int | None = None) -> Plan:
        """Decide as things stand ``now``. Raises a :class:`BagoError` when nobody can answer."""
        shape, ticket, books = record.shape, record.ticket, self.books
        books.turn += 1
        keep = 0
        if ticket is not None:
            keep = int(self.queue.leaves_one(shape.caller, now))
            if ahead is None:
                ahead = self.queue.ahead(shape.model, ticket.order)
        rows = survey(
            self.table,
            shape,
            loads=self.loads,
            breakers=self.breakers,
            affinity=self.affinity,
            latencies=self.latencies,
            now=now,
            keep=keep,
        )
        inputs = Inputs(shape, rows, self.policy, books.turn, ahead or 0)
        chosen = decide(inputs)
        if len(rows) > FEW:
            self.records.shared(record, inputs, chosen)
        else:
            record.inputs, record.plan = inputs, chosen
        if not chosen.rows:
            raise nobody(shape, chosen, self.table)
        return chosen

    def _start(self, record: Record, chosen: Plan) -> None:
        """Take the slot of the first target."""
        row = chosen.rows[0]
        if record.ticket is not None:
            self.queue.started(record.ticket)
        self.books.reserve(row.offer, row.cost)
        if len(chosen.rows) > 1:
            record.taught = self.affinity.remember(row.offer.backend, row.offer.model, record.shape.prefix)

    def _unlearn(self, record: Record, *, refused: bool) -> None:
        """Whom the request was sent to first has not read it where it failed, or where all that came of it
        is that it was ``refused``."""
        first = record.attempts[0] if record.attempts else None
        if record.taught and first is not None and (refused or first.outcome == "failed"):
            self.affinity.unlearn(first.backend, first.model, record.taught)
            record.taught = ()

    def _give_back(self, record: Record, chosen: Plan) -> None:
        """The slot is not used after all."""
        row = chosen.rows[0]
        self.books.release(row.offer, row.cost)
        self._waiting.wake()

    def _share(self, newest: Record) -> None:
        """The sole caller is not alone any more, or has to wait: all its requests need tickets. All but
        ``newest`` were started."""
        if self.queue.sole is None:
            return
        self.queue.shared(self.books.last)
        for record in sorted(self.books.flying, key=lambda record: record.arrived):
            if record.ticket is None:
                ticket = self._give_ticket(record)
                if record is not newest:
                    self.queue.started(ticket)

    def _give_ticket(self, record: Record) -> Ticket:
        shape = record.shape
        ticket = self.queue.ticket(shape.caller, shape.model, shape.work(), record.arrived)
        record.ticket = ticket
        return ticket

    def _answer_over(self, record: Record, answer: Answer, status: int, ending: Ending) -> None:
        self.books.over(record, answer.flight, status, ending, answer.usage.tokens(), time.monotonic())
        self._ended(record)

    def _ended(self, record: Record) -> None:
        if record.ticket is not None:
            self.queue.ended(record.ticket, self.books.last)
        if self._waiting.waiters:
            self._waiting.wake()
