"""Requests that wait for a slot, and are let go in the fair order of their callers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from ..errors import Overloaded
from ..router import FairQueue, Plan, Shape, Ticket
from .record import Record

SCAN = 64
"""Requests of one kind that are looked at when a slot falls free; most often the first one takes it."""
TICK = 1.0
"""Seconds between two looks while nothing happens: pauses end, and callers who were about are gone."""
SHORTEST, LONGEST = 1.0, 60.0
"""Bounds of Retry-After, in seconds."""


Kind = tuple[object, ...]
"""What requests have in common that wait for the same slots."""


def _kind(shape: Shape) -> Kind:
    return shape.model, shape.task, shape.dialect, shape.local_only, shape.relayed


class Waiting:
    """The futures behind a :class:`~bago_jupyter.router.FairQueue`. Belongs to the node's loop.

    ``choose`` decides anew for a request, given the work that waits before it; ``start`` takes the slot,
    ``give_back`` returns one that is not used after all.
    """

    def __init__(
        self,
        queue: FairQueue,
        choose: Callable[[Record, int], Plan],
        start: Callable[[Record, Plan], None],
        give_back: Callable[[Record, Plan], None],
    ):
        self._queue = queue
        self._choose = choose
        self._start = start
        self._give_back = give_back
        self.waiters: dict[Ticket, tuple[Record, Kind, asyncio.Future[Plan]]] = {}
        self._kinds: Counter[Kind] = Counter()
        self._waking = False
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, record: Record, chosen: Plan) -> Plan:
        """Return once the request has a slot. Raises :class:`Overloaded` beyond the bound of the queue."""
        future: asyncio.Future[Plan] = asyncio.get_running_loop().create_future()
        ticket, kind = record.ticket, _kind(record.shape)
        assert ticket is not None
        self.waiters[ticket] = record, kind, future
        self._kinds[kind] += 1
        pushed_out = self._queue.join(ticket)
        if pushed_out is not None and not self.waiters[pushed_out][2].done():  # else it is on its way out
            self.waiters[pushed_out][2].set_exception(self._overloaded(pushed_out.model, chosen))
        self._look_later()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_back(record, future.result())
            raise
        finally:
            del self.waiters[ticket]
            self._kinds[kind] -= 1
            if not self._kinds[kind]:
                del self._kinds[kind]

    def wake(self) -> None:
        """Something changed: look soon whether somebody can go."""
        if self.waiters and not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self.waiters:
            self.wake()
            self._look_later()

    def _look(self) -> None:
        self._waking = False
        ahead: dict[str, int] = {}
        stuck: Counter[Kind] = Counter()
        full = 0
        for ticket in self._queue:
            record, kind, future = self.waiters[ticket]
            if future.done() or stuck[kind] >= SCAN:
                continue
            try:
                chosen = self._choose(record, ahead.get(ticket.model, 0))
            except Exception as error:  # also a mistake of ours is told, and leaves nobody else waiting
                future.set_exception(error)
                continue
            if chosen.waits:
                ahead[ticket.model] = ahead.get(ticket.model, 0) + ticket.work
                stuck[kind] += 1
                full += stuck[kind] == SCAN
                if full == len(self._kinds):
                    break
            else:
                self._start(record, chosen)
                future.set_result(chosen)

    def _overloaded(self, model: str, chosen: Plan) -> Overloaded:
        waiting = len(self._queue)
        pace = sum(row.capacity * row.speed for row in chosen.rows)
        after = min(LONGEST, max(SHORTEST, self._queue.ahead(model) / pace))
        return Overloaded(
            f"Every slot for {model} is taken and {waiting} requests wait; ask again in {after:.0f} s.",
            retry_after=after,
            queued=waiting,
        )
