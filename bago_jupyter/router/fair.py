"""Who goes next when slots are short: every caller gets the same share of the work."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from operator import itemgetter

LATELY = 300.0
"""Seconds for which a caller without a request still counts as about."""


class Ticket:
    """One waiting request."""

    __slots__ = ("arrived", "caller", "model", "order", "started", "work")

    def __init__(self, caller: str, model: str, work: int, order: tuple[float, int], arrived: float):
        self.caller = caller
        self.model = model
        self.work = work
        self.order = order
        """Start tag and number: the smallest goes first."""
        self.arrived = arrived
        self.started = False


class FairQueue:
    """Start-time fair queueing (Goyal, Vin and Cheng, 1996) over callers, in tokens of work.

    Every request is tagged with the virtual time at which its caller's share allows it to start; so a caller
    who asks once in a while is not behind the hundreds of another. No clock inside: ``now`` is any monotonic
    clock in seconds, always the caller's.
    """

    def __init__(self, bound: int):
        self.bound = bound
        """Requests that may wait."""
        self._waiting: list[tuple[tuple[float, int], Ticket]] = []
        self._work: dict[str, int] = {}
        """Tokens of work that wait, by model."""
        self._finish: dict[str, float] = {}
        self._flying: dict[str, int] = {}
        self._open: dict[str, int] = {}
        """Tickets that are not over."""
        self._seen: OrderedDict[str, float] = OrderedDict()
        """When each caller was last heard of, the longest ago first."""
        self._clock = 0.0
        self._count = 0
        self.sole: str | None = None
        """The only caller who is about, while nobody waits: its requests need no ticket. Whoever hears of
        another caller calls :meth:`shared`."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Ticket]:
        """Those that wait, the next first."""
        return iter([ticket for _, ticket in self._waiting])

    def ticket(self, caller: str, model: str, work: int, now: float) -> Ticket:
        """A request arrives. It does not wait yet: :meth:`join` or :meth:`started` follow."""
        self._count += 1
        self._about(caller, now)
        self._open[caller] = self._open.get(caller, 0) + 1
        start = max(self._clock, self._finish.get(caller, 0.0))
        self._finish[caller] = start + work
        return Ticket(caller, model, work, (start, self._count), now)

    def shared(self, now: float) -> None:
        """The sole caller, last heard of ``now``, is not alone any more: all its requests that are in flight
        need a ticket that :meth:`started`."""
        if self.sole is not None:
            self._about(self.sole, now)
            self.sole = None

    def join(self, ticket: Ticket) -> Ticket | None:
        """Let ``ticket`` wait. Beyond the bound the last of the greediest caller is taken out, and given."""
        insort(self._waiting, (ticket.order, ticket))
        self._work[ticket.model] = self._work.get(ticket.model, 0) + ticket.work
        if len(self._waiting) <= self.bound:
            return None
        counts: dict[str, int] = {}
        for _, waiting in self._waiting:
            counts[waiting.caller] = counts.get(waiting.caller, 0) + 1
        most = max(counts.values())
        greedy = ticket.caller if counts[ticket.caller] == most else max(counts, key=lambda c: counts[c])
        last = next(waiting for _, waiting in reversed(self._waiting) if waiting.caller == greedy)
        self._take(last)
        return last

    def leave(self, ticket: Ticket) -> None:
        """``ticket`` will not start: its work is given back to its caller."""
        self._take(ticket)
        if ticket.caller in self._finish:
            self._finish[ticket.caller] -= ticket.work

    def started(self, ticket: Ticket) -> None:
        """``ticket``'s request is sent."""
        self._take(ticket)
        ticket.started = True
        self._clock = max(self._clock, ticket.order[0])
        self._flying[ticket.caller] = self._flying.get(ticket.caller, 0) + 1

    def ended(self, ticket: Ticket, now: float) -> None:
        """The request is over, whether it had started or not."""
        caller = ticket.caller
        self._about(caller, now)
        self._open[caller] -= 1
        if not self._open[caller]:
            del self._open[caller]
        if not ticket.started:
            self.leave(ticket)
        else:
            self._landed(caller)
        others = len(self._seen) > 1 or len(self._open) > (caller in self._open)
        self.sole = None if others or self._waiting else caller

    def _landed(self, caller: str) -> None:
        left = self._flying.get(caller, 0) - 1
        if left > 0:
            self._flying[caller] = left
            return
        self._flying.pop(caller, None)
        if self._finish.get(caller, 0.0) <= self._clock:
            self._finish.pop(caller, None)

    def ahead(self, model: str, order: tuple[float, int] | None = None) -> int:
        """Tokens of work that wait for ``model``, before ``order`` where it is given."""
        if order is None or not self._waiting or order > self._waiting[-1][0]:
            return self._work.get(model, 0)
        before = self._waiting[: bisect_left(self._waiting, order, key=itemgetter(0))]
        return sum([ticket.work for _, ticket in before if ticket.model == model])

    def leaves_one(self, caller: str, now: float) -> bool:
        """Whether ``caller`` has to leave the last free slot of a backend to others.

        That is so while it has a request in flight and somebody else is about, so that a caller who asks
        once in a while finds a slot at once.
        """
        if caller not in self._flying:
            return False
        self._forget(now)
        return len(self._open) > 1 or len(self._seen) > (caller in self._seen)

    def _about(self, caller: str, now: float) -> None:
        self._seen[caller] = now
        self._seen.move_to_end(caller)
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Whoever was not heard of for long has neither a place nor a debt any more."""
        while self._seen:
            caller, seen = next(iter(self._seen.items()))
            if now - seen <= LATELY:
                return
            del self._seen[caller]
            if caller not in self._open:
                self._finish.pop(caller, None)

    def _take(self, ticket: Ticket) -> None:
        if not self._waiting:
            return
        at = bisect_left(self._waiting, ticket.order, key=itemgetter(0))
        if at < len(self._waiting) and self._waiting[at][1] is ticket:
            del self._waiting[at]
            self._work[ticket.model] -= ticket.work
            if not self._work[ticket.model]:
                del self._work[ticket.model]
