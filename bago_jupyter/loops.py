"""The one background loop of a kernel: a daemon thread that a blocking cell cannot stop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

T = TypeVar("T")
LoopName = Literal["auto", "uvloop", "asyncio"]


def loop_factory(name: LoopName = "auto") -> Callable[[], asyncio.AbstractEventLoop]:
    """The constructor of the loop called ``name``; ``auto`` is uvloop where it is installed.

    Under a busy cell plain asyncio answers after hundreds of milliseconds, uvloop after ten: it
    lets go of the interpreter's lock once a turn instead of several times a request.
    """
    if name != "asyncio" and sys.platform != "win32":
        try:
            import uvloop
        except ImportError:
            if name == "uvloop":
                raise
        else:
            return uvloop.new_event_loop
    return asyncio.new_event_loop


class LoopThread:
    """A loop in a daemon thread. All methods are thread-safe."""

    def __init__(self, name: LoopName = "auto"):
        self.loop = loop_factory(name)()
        self.thread = threading.Thread(target=self._run, name="bago", daemon=True)
        self.thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start ``coroutine`` on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run ``coroutine`` on the loop and wait for it here; an interrupt here cancels it there."""
        future = self.submit(coroutine)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def stop(self, timeout: float = 1.0) -> None:
        """Cancel what still runs and end the thread within ``timeout`` seconds."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(timeout)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=0.5))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()


_lock = threading.Lock()
_background: LoopThread | None = None


def background(name: LoopName = "auto") -> LoopThread:
    """The background loop of this process, started at first use. Thread-safe."""
    global _background
    with _lock:
        if _background is None or not _background.thread.is_alive():
            _background = LoopThread(name)
        return _background


def stop_background() -> None:
    """End the background loop, if there is one. Thread-safe."""
    global _background
    with _lock:
        loop, _background = _background, None
    if loop is not None:
        loop.stop()
