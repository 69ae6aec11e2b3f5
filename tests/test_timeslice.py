"""The short time slice: really set, for one thread only, and never handed on."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from bago_jupyter import loops, timeslice

T = TypeVar("T")

_RELEASE = tuple(int("".join(filter(str.isdigit, part)) or 0) for part in platform.release().split(".")[:2])
able = pytest.mark.skipif(
    sys.platform != "linux" or _RELEASE < (6, 12) or platform.machine() not in ("x86_64", "aarch64"),
    reason="Linux takes slices of ordinary threads since 6.12",
)


def in_thread(function: Callable[[], T]) -> T:
    """What ``function`` returns in a thread of its own."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def child(code: str) -> str:
    program = f"import os; from bago_jupyter import timeslice; {code}"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


@able
def test_it_is_set_for_the_calling_thread_only() -> None:
    usual = timeslice.current()
    assert usual
    assert in_thread(lambda: (timeslice.shorten(), timeslice.current())) == (True, timeslice.SLICE)
    assert timeslice.current() == usual


@able
def test_what_the_thread_starts_begins_with_the_usual_slice() -> None:
    usual = timeslice.current()

    def starts() -> tuple[bool, float | None, str]:
        done = timeslice.shorten()
        return done, in_thread(timeslice.current), child("print(timeslice.current())")

    assert in_thread(starts) == (True, usual, str(usual))


@able
def test_an_ordinary_user_may_and_niceness_stays() -> None:
    user = "os.geteuid() or os.setuid(65534); "
    code = f"os.nice(5); {user} print(timeslice.shorten(), timeslice.current(), os.nice(0))"
    assert child(code) == f"True {timeslice.SLICE} 5"


@able
def test_the_background_loop_does_without() -> None:
    thread = loops.LoopThread()

    async def asked() -> float | None:
        return timeslice.current()

    try:
        assert thread.run(asked()) == timeslice.current() != timeslice.SLICE
    finally:
        thread.stop()


@able
def test_a_slice_that_the_kernel_does_not_take_is_not_claimed() -> None:
    assert in_thread(lambda: timeslice.shorten(10)) is False


@pytest.mark.parametrize("name", ["mips", ""])
def test_nothing_happens_elsewhere(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: name)
    assert in_thread(timeslice.shorten) is False
    assert timeslice.current() is None
