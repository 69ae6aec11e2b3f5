"""How fast the interpreter changes threads while requests are in flight.

A thread that wants the interpreter's lock waits up to one switch interval for it. Lowering the
interval makes the relay prompt beside a busy cell; under full load it would also hand the relay
most of the core, so its share is measured and the interval goes back when the cell gets too little.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from .wire import Counts

WINDOW = 0.1
"""Seconds over which the relay's share is measured."""
LINGER = 10
"""Windows without a request before the interval is restored."""


class Pace:
    """Lowers ``sys.setswitchinterval`` while requests are in flight.

    Belongs to the loop's thread. ``interval`` is in seconds, 0 does nothing; ``cell_share`` is the
    part of the time that is left to the other threads at least. ``counts`` tells of the requests: whoever
    takes one in calls :meth:`wake` where :attr:`resting`, and nothing else.
    """

    def __init__(self, interval: float, cell_share: float, counts: Callable[[], Counts]):
        self._interval = interval
        self._relay_share = 1 - cell_share
        self._default = sys.getswitchinterval()
        self._counts = counts
        self._total = 0
        """Requests up to the last look; most are over before anybody looks."""
        self._quiet = 0
        self._timer: asyncio.TimerHandle | None = None
        self._cpu = self._wall = 0.0
        self.resting = 0 < interval < self._default
        """Whether a request has to wake it."""

    def wake(self) -> None:
        """A request begins."""
        self.resting = False
        sys.setswitchinterval(self._interval)
        self._mark()

    def close(self) -> None:
        """Restore the interval for good."""
        self.resting = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            sys.setswitchinterval(self._default)

    def _mark(self) -> None:
        self._total = self._counts().total
        self._cpu, self._wall = time.thread_time(), time.perf_counter()
        self._timer = asyncio.get_running_loop().call_later(WINDOW, self._check)

    def _check(self) -> None:
        self._timer = None
        counts = self._counts()
        busy = counts.in_flight or counts.total != self._total
        self._quiet = 0 if busy else self._quiet + 1
        if self._quiet > LINGER:
            self._quiet = 0
            self.resting = True
            sys.setswitchinterval(self._default)
            return
        share = (time.thread_time() - self._cpu) / max(1e-9, time.perf_counter() - self._wall)
        sys.setswitchinterval(self._default if share > self._relay_share else self._interval)
        self._mark()
