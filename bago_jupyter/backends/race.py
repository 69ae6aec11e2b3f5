"""Two attempts at one answer: the second begins when the first is late, and whoever answers first wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from ..errors import BagoError

AGAIN = 0.25
"""Seconds after which a second attempt that found nobody is tried again."""


class Closing(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=Closing)


class Race(Generic[T]):
    """One race; belongs to the task that runs it. The first attempt runs in that task itself."""

    __slots__ = ("_make", "_second", "_task", "_timer", "_won", "lost")

    def __init__(self, second: Callable[[Race[T]], Coroutine[Any, Any, T] | None]):
        self.lost = False
        """Whether the first attempt was overtaken, or the second was not needed any more."""
        self._make = second
        self._second: asyncio.Task[T] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._won = False

    @property
    def running(self) -> bool:
        """Whether the second attempt is under way."""
        return self._second is not None and not self._second.done()

    def late_after(self, seconds: float | None) -> None:
        """The second attempt begins in so many seconds from now; ``None`` is never."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and self._second is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    async def run(self, first: Coroutine[Any, Any, T]) -> T:
        """The answer of whoever has one first. Raises what the last to fail raised."""
        task = self._task = asyncio.current_task()
        assert task is not None
        try:
            answer = await first
        except asyncio.CancelledError:
            if not self._won or self._second is None:
                self._drop()
                raise
            answer = self._second.result()
            if task.uncancel():  # the client went away in the same moment
                answer.close()
                raise
            return answer
        except BagoError:
            self._task = None
            second = self._second
            if second is None:
                raise
            try:
                return await second
            except asyncio.CancelledError:  # it may have an answer already
                self._drop()
                raise
        except BaseException:
            self._drop()
            raise
        else:
            self._drop()
            return answer
        finally:
            self._task = None
            self.late_after(None)

    def _begin(self) -> None:
        self._timer = None
        coroutine = self._make(self)
        if coroutine is None:  # nobody can at this moment
            self.late_after(AGAIN)
        else:
            self._second = asyncio.get_running_loop().create_task(coroutine)
            self._second.add_done_callback(self._ended)

    def _ended(self, second: asyncio.Task[T]) -> None:
        if second.cancelled() or second.exception() is not None:
            return
        if self._task is not None:
            self._won = self.lost = True
            self._task.cancel()

    def _drop(self) -> None:
        """The second is not needed."""
        self._task = None
        second = self._second
        if second is None:
            return
        self.lost = True
        if not second.done():
            second.cancel()
        elif not second.cancelled() and second.exception() is None:
            second.result().close()
