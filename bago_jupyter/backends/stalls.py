"""Answers whose backends have stopped in the middle of them are broken off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from . import patience
from .answer import Answer


class Stalls:
    """Looks at the answers that are under way. Belongs to the node's loop.

    ``limit`` says how many seconds an answer that has begun may be silent.
    """

    def __init__(self, limit: Callable[[], float]):
        self._limit = limit
        self._answers: set[Answer] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._answers)

    def watch(self, answer: Answer) -> None:
        """``answer`` is under way."""
        self._answers.add(answer)
        if self._timer is None:
            self._look_later()

    def over(self, answer: Answer) -> None:
        """``answer`` has ended."""
        self._answers.discard(answer)

    def look(self) -> None:
        """Break off those that were silent for too long."""
        now, limit = time.monotonic(), self._limit()
        for answer in list(self._answers):
            answer.check(now, limit)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(patience.LOOK, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.look()
        if self._answers:
            self._look_later()
