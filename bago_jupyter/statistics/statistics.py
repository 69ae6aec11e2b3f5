"""The statistics of one node: counted on its loop, written behind it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..wire import StatsRow, StatsSeries
from . import query
from .cell import Cell
from .collector import Cells, Collector, Totals
from .query import Found, Span
from .store import Store, Unusable

T = TypeVar("T")

INTERVAL = 1.0
"""Seconds between two writes: what a ``kill -9`` may cost."""
TIDY = 3600.0
LAST_WRITE = 0.4
"""Seconds that the last write may take."""
UNSAVED = 5000
"""Cells that are kept while they cannot be written; the oldest are lost first."""


class Statistics:
    """What was asked of this node, and how it went. Belongs to the node's loop.

    Nothing that happens to the file reaches whoever records or asks: what cannot be written is kept for a
    while, and ``notice`` is told once of each thing that is wrong.
    """

    def __init__(self, path: Path, notice: Callable[[str], None] = lambda message: None):
        self._collector = Collector()
        self.record = self._collector.record
        """Count a finished :class:`~bago_jupyter.wire.Decision`; a few microseconds."""
        self._notice = notice
        self._loop: asyncio.AbstractEventLoop | None = None
        self._store = Store(path, self._from_thread)
        self._unsaved: Cells = {}
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._told: set[str] = set()
        self._tidied = float("-inf")

    @property
    def since(self) -> float:
        """Unix time from which the totals count."""
        return self._collector.since

    def totals(self) -> Totals:
        """Counters since the start by (model, node, dialect). Do not change them."""
        self._settle()
        return self._collector.totals

    async def start(self) -> None:
        """Begin to write."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._write_on())

    async def stop(self) -> None:
        """Write what is left, within :data:`LAST_WRITE` seconds."""
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._last_write(), LAST_WRITE)

    async def flush(self) -> None:
        """Write all that was counted up to now, if it can be written."""
        async with self._lock:
            self._settle()
            if not self._unsaved:
                return
            writing, self._unsaved = self._unsaved, {}
            try:
                await _aside(self._store.write, writing)
            except Unusable as error:
                self._keep(writing)
                self._failed(error)

    async def summary(self, by: Sequence[str] = ("model", "node"), since: float = 86400.0) -> list[StatsRow]:
        """The last ``since`` seconds, rounded up to whole minutes (hours beyond 48 h), most requests first.

        ``by`` names any of ``model``, ``node``, ``caller``, ``dialect``. Raises :class:`InvalidRequest`.
        """
        by = query.grouping(by)
        found = await self._read(by, query.whole(since, time.time()))
        return await _aside(query.rows, by, found)

    async def series(
        self, by: Sequence[str] = (), since: float = 86400.0, points: int = 60
    ) -> list[StatsSeries]:
        """The same over time in at most ``points`` equal steps. Raises :class:`InvalidRequest`."""
        by = query.grouping(by)
        span = query.steps(since, time.time(), points)
        return await _aside(query.lines, by, await self._read(by, span), span)

    async def _read(self, by: Sequence[str], span: Span) -> Found:
        """What is in the file, and what is not yet, by group and number of the step."""
        found: Found = {}
        async with self._lock:
            try:
                for step, group, cell in await _aside(self._store.read, by, span):
                    found.setdefault(group, {})[step] = cell
            except Unusable as error:
                self._failed(error)
            self._settle()
            for key, cell in self._unsaved.items():
                step = (key.at - span.start) // span.step
                if 0 <= step < span.steps:
                    group = tuple(getattr(key, name) for name in by)
                    found.setdefault(group, {}).setdefault(step, Cell()).merge(cell)
        return found

    async def _write_on(self) -> None:
        while not self._stopping.is_set():
            await self.flush()
            if time.monotonic() - self._tidied > TIDY:
                self._tidied = time.monotonic()
                async with self._lock:
                    try:
                        await _aside(self._store.tidy, time.time())
                    except Unusable as error:
                        self._failed(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), INTERVAL)

    async def _last_write(self) -> None:
        if self._task is not None:
            await self._task  # never cancelled: what its thread writes would be written twice
        await self.flush()
        await _aside(self._store.close)

    def _settle(self) -> None:
        self._keep(self._collector.take())

    def _keep(self, cells: Cells) -> None:
        for key, cell in cells.items():
            if (known := self._unsaved.get(key)) is None:
                self._unsaved[key] = cell
            else:
                known.merge(cell)
        if len(self._unsaved) > UNSAVED:
            for key in sorted(self._unsaved)[: len(self._unsaved) - UNSAVED]:
                del self._unsaved[key]

    def _failed(self, error: Unusable) -> None:
        self._tell(f"The statistics cannot be kept for now: {error}.")

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._notice(message)

    def _from_thread(self, message: str) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell, message)


async def _aside(work: Callable[..., T], *arguments: Any) -> T:
    """Run ``work`` in a thread, or here where no thread takes it, as when the interpreter ends."""
    taken = threading.Lock()

    def take() -> T:
        if not taken.acquire(blocking=False):
            raise RuntimeError("it was done elsewhere")
        return work(*arguments)

    try:
        return await asyncio.to_thread(take)
    except RuntimeError:
        if taken.locked():
            raise
        return take()
