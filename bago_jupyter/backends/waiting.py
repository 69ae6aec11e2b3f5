"""Requests that wait for a slot, and are let go in the fair order of their callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import BagoError, Overloaded
from ..router import FairQueue, Plan, Ticket

if TYPE_CHECKING:
    from .dispatch import Asked

SCAN = 64
"""Requests looked at when a slot falls free; most often the first one takes it."""
SHORTEST, LONGEST = 1.0, 60.0
"""Bounds of Retry-After, in seconds."""


class Waiting:
    """The futures behind a :class:`~bago_jupyter.router.FairQueue`. Belongs to the node's loop.

    ``choose`` decides anew for a request, given the work that waits before it; ``start`` takes the slot,
    ``give_back`` returns one that is not used after all.
    """

    def __init__(
        self,
        queue: FairQueue,
        choose: Callable[[Asked, int], Plan],
        start: Callable[[Asked, Plan], None],
        give_back: Callable[[Asked, Plan], None],
    ):
        self._queue = queue
        self._choose = choose
        self._start = start
        self._give_back = give_back
        self._waiters: dict[Ticket, tuple[Asked, asyncio.Future[Plan]]] = {}
        self._waking = False

    async def wait(self, asked: Asked, chosen: Plan) -> Plan:
        """Return once the request has a slot. Raises :class:`Overloaded` beyond the bound of the queue."""
        future: asyncio.Future[Plan] = asyncio.get_running_loop().create_future()
        ticket = asked.ticket
        self._waiters[ticket] = asked, future
        pushed_out = self._queue.join(ticket)
        if pushed_out is not None:
            self._waiters[pushed_out][1].set_exception(self._overloaded(pushed_out.model, chosen))
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_back(asked, future.result())
            raise
        finally:
            del self._waiters[ticket]

    def wake(self) -> None:
        """Something changed: look soon whether somebody can go."""
        if self._waiters and not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._waking = False
        ahead: dict[str, int] = {}
        for ticket in list(self._queue)[:SCAN]:
            asked, future = self._waiters[ticket]
            if future.done():
                continue
            try:
                chosen = self._choose(asked, ahead.get(ticket.model, 0))
            except BagoError as error:
                future.set_exception(error)
                continue
            if chosen.waits:
                ahead[ticket.model] = ahead.get(ticket.model, 0) + ticket.work
            else:
                self._start(asked, chosen)
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
