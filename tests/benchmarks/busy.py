"""What a cell does while its kernel serves: sleep, pure Python, or C calls that keep the interpreter's lock.

Runs inside the kernel. Each cell goes on until it is interrupted and leaves marks of how far it was when.
"""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_left

LIMIT = 60.0
"""Seconds after which a cell ends by itself."""
CALL = 0.1
"""Seconds that one call of :func:`locked` ought to keep the lock."""

Marks = list[tuple[int, int]]
"""Monotonic nanoseconds and iterations done until then."""

marks: Marks = []


def asleep() -> None:
    """A cell that waits."""
    marks.clear()
    with contextlib.suppress(KeyboardInterrupt):
        time.sleep(LIMIT)


def python() -> None:
    """A cell that computes in pure Python, a mark about every millisecond."""
    marks.clear()
    value = done = 0
    end = time.monotonic_ns() + int(LIMIT * 1e9)
    try:
        while (now := time.monotonic_ns()) < end:
            marks.append((now, done))
            for number in range(10_000):
                value = (value * 31 + number) & 0xFFFFFF
            done += 10_000
    except KeyboardInterrupt:
        pass


def locked(length: int) -> None:
    """A cell of C calls, none of which lets another thread run; ``length`` is :func:`calibrate`'s."""
    marks.clear()
    done = 0
    end = time.monotonic_ns() + int(LIMIT * 1e9)
    try:
        while (now := time.monotonic_ns()) < end:
            marks.append((now, done))
            sum(range(length))
            done += 1
    except KeyboardInterrupt:
        pass


def calibrate() -> tuple[int, float, float]:
    """The length at which ``sum(range(length))`` takes :data:`CALL`, the seconds that it took, and those for
    which it kept a thread waiting.

    ``sum`` over a ``range`` runs wholly in C and asks nobody whether another thread would like a turn.
    """
    length = 1_000_000
    took = min(_time(length) for _ in range(3))
    length = int(length * CALL / took)
    pauses: list[float] = []
    stop = threading.Event()

    def witness() -> None:
        before = time.perf_counter()
        while not stop.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            pauses.append(now - before)
            before = now

    thread = threading.Thread(target=witness)
    thread.start()
    took = min(_time(length) for _ in range(5))
    stop.set()
    thread.join()
    return length, took, max(pauses)


def speed(marks: Marks, begin: int, end: int) -> float:
    """Iterations per second between two monotonic times, by the marks within them.

    Raises ``ValueError`` when fewer than two marks lie there.
    """
    times = [at for at, _ in marks]
    first, last = bisect_left(times, begin), bisect_left(times, end) - 1
    if last <= first:
        raise ValueError("the cell made no progress in that time")
    (t0, n0), (t1, n1) = marks[first], marks[last]
    return (n1 - n0) / (t1 - t0) * 1e9


def _time(length: int) -> float:
    before = time.perf_counter()
    sum(range(length))
    return time.perf_counter() - before
