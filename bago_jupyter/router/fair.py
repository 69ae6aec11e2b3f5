"""Who goes next when slots are short: every caller gets the same share of the work."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

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
        self._finish: dict[str, float] = {}
        self._flying: dict[str, int] = {}
        self._seen: dict[str, float] = {}
        self._clock = 0.0
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Ticket]:
        """Those that wait, the next first."""
        return iter([ticket for _, ticket in self._waiting])

    def ticket(self, caller: str, model: str, work: int, now: float) -> Ticket:
        """A request arrives. It does not wait yet: :meth:`join` or :meth:`started` follow."""
        self._count += 1
        self._seen[caller] = now
        start = max(self._clock, self._finish.get(caller, 0.0))
        self._finish[caller] = start + work
        return Ticket(caller, model, work, (start, self._count), now)

    def join(self, ticket: Ticket) -> Ticket | None:
        """Let ``ticket`` wait. Beyond the bound the last of the greediest caller is taken out, and given."""
        insort(self._waiting, (ticket.order, ticket))
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
        self._seen[caller] = now
        if not ticket.started:
            self.leave(ticket)
            return
        left = self._flying.get(caller, 0) - 1
        if left > 0:
            self._flying[caller] = left
            return
        self._flying.pop(caller, None)
        if self._finish.get(caller, 0.0) <= self._clock:
            self._finish.pop(caller, None)

    def ahead(self, model: str, order: tuple[float, int] | None = None) -> int:
        """Tokens of work that wait for ``model``, before ``order`` where it is given."""
        return sum(
            ticket.work
            for tag, ticket in self._waiting
            if ticket.model == model and (order is None or tag < order)
        )

    def leaves_one(self, caller: str, now: float) -> bool:
        """Whether ``caller`` has to leave the last free slot of a backend to others.

        That is so while it has a request in flight and somebody else is about, so that a caller who asks
        once in a while finds a slot at once.
        """
        if caller not in self._flying or len(self._seen) < 2:
            return False
        others = [other for other in self._seen if other != caller]
        for other in others:
            if now - self._seen[other] > LATELY and other not in self._flying:
                del self._seen[other]
                if self._finish.get(other, 0.0) <= self._clock:
                    self._finish.pop(other, None)
        return len(self._seen) > 1

    def _take(self, ticket: Ticket) -> None:
        for at, (tag, _) in enumerate(self._waiting):
            if tag == ticket.order:
                del self._waiting[at]
                return
