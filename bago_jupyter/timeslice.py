"""A short time slice for the thread that relays, so that it comes between beside a thread that computes.

When a thread wakes, Linux asks whether it goes before the one that runs, and if not, it asks again at the
next tick of its timer only: up to 4 ms later at 250 Hz. Of two threads the one with the earlier deadline
wins, and a deadline is a slice away: with a shorter slice than the other's a thread that slept wins nearly
always. It gets no more time by that, and a thread that ran just before still has to wait its turn.

For a process of ours only. In a kernel's process the cell and the relay hand the interpreter's lock to and
fro; with a short slice the relay loses the core with the lock each time, and beside C calls of 100 ms that
keep the lock it answered after 7 s in place of 0.1 to 0.5.

``sched_setattr(2)`` takes the slice of an ordinary thread as ``sched_runtime`` since Linux 6.12, without
privileges: https://man7.org/linux/man-pages/man2/sched_setattr.2.html and
https://docs.kernel.org/scheduler/sched-eevdf.html.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

SLICE = 0.0002
"""Seconds: about what a request takes. The kernel's own is 0.7 to 2.8 ms, by the number of cores."""

_NUMBERS = {"x86_64": (314, 315), "aarch64": (274, 275)}
"""Of ``sched_setattr`` and ``sched_getattr``: the C library need not have functions for them."""
_ATTR = struct.Struct("=IIQiIQQQ")
"""``struct sched_attr``: size, policy, flags, nice, priority, runtime, deadline, period in nanoseconds."""
_OTHER = 0
_RESET_ON_FORK = 1


def shorten(seconds: float = SLICE) -> bool:
    """Ask for slices of ``seconds`` (0.0001 to 0.1) for the calling thread; returns whether it has them.

    What it starts from then on, threads and processes alike, begins with the kernel's own slice. Niceness
    stays as it is. Does nothing on other systems, on a Linux before 6.12, and where it is not allowed.
    """
    before = _get()
    if before is None or before[1] != _OTHER:
        return False
    size, policy, flags, nice, priority, _, deadline, period = before
    wanted = (size, policy, flags | _RESET_ON_FORK, nice, priority, round(seconds * 1e9), deadline, period)
    if not _call(0, ctypes.create_string_buffer(_ATTR.pack(*wanted), _ATTR.size)):
        return False
    after = _get()  # an older kernel takes the call and keeps nothing of it
    return after is not None and after[5] == wanted[5]


def current() -> float | None:
    """The slice of the calling thread in seconds; ``None`` where the kernel does not tell."""
    found = _get()
    return found[5] / 1e9 if found and found[5] else None


def _get() -> tuple[int, ...] | None:
    buffer = ctypes.create_string_buffer(_ATTR.size)
    return _ATTR.unpack(buffer.raw) if _call(1, buffer, _ATTR.size) else None


def _call(which: int, attributes: ctypes.Array[ctypes.c_char], *size: int) -> bool:
    """Make the call for this thread; returns whether it worked. Both end in flags: there are none."""
    numbers = _NUMBERS.get(platform.machine()) if sys.platform == "linux" and sys.maxsize > 2**32 else None
    if numbers is None:
        return False
    try:
        call = ctypes.CDLL(None).syscall
    except (OSError, AttributeError):  # an interpreter without dynamic linking
        return False
    return bool(call(ctypes.c_long(numbers[which]), 0, attributes, *size, 0) == 0)
