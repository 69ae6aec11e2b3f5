"""One look at all deadlines of a loop, a few times a second, in place of a timer for each."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import Protocol

PERIOD = 0.25
"""Seconds between two looks: what is overdue ends at most so much later."""


class Overdue(Protocol):
    """Something with a deadline."""

    deadline: float
    """Monotonic clock; ``inf`` for none. Whoever is watched changes it as it likes."""

    def overdue(self, now: float) -> None:
        """The deadline is over. It is called at each look until the deadline was moved or it is forgotten."""
        ...


class Sweep:
    """Watches everything with a deadline. Belongs to one loop; :func:`sweep` gives the loop's own."""

    def __init__(self) -> None:
        self.date = b""
        """The line ``date: ...`` of answers, right while anything is watched (RFC 9110, 6.6.1)."""
        self._watched: set[Overdue] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, thing: Overdue) -> None:
        """Look at ``thing`` from now on."""
        self._watched.add(thing)
        if self._timer is None:
            self._arm()

    def forget(self, thing: Overdue) -> None:
        """Look at it no more."""
        self._watched.discard(thing)

    def look(self) -> None:
        """Tell everything that is overdue."""
        now = time.monotonic()
        for thing in [thing for thing in self._watched if thing.deadline <= now]:
            if thing in self._watched:  # the one before it may have ended it
                thing.overdue(now)

    def _arm(self) -> None:
        self.date = b"date: " + formatdate(usegmt=True).encode() + b"\r\n"
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.look()
        if self._watched:
            self._arm()


_sweeps: dict[asyncio.AbstractEventLoop, Sweep] = {}


def sweep() -> Sweep:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    found = _sweeps.get(loop)
    if found is None:
        for over in [other for other in list(_sweeps) if other.is_closed()]:
            _sweeps.pop(over, None)  # another thread may do the same
        found = _sweeps[loop] = Sweep()
    return found
