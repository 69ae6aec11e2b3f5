"""Which weights were first under the name of a model, kept over restarts: whoever speaks first after one
would else get the prompts for it.

``firsts.json`` in the home keeps them, by the name under which they are offered.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping

import msgspec

from ..errors import StateError
from ..router import Weights
from ..state import Home

log = logging.getLogger("bago.state")

FILE = "firsts.json"
LATE = 5.0
"""Seconds from one write to the next, at least."""

Firsts = Mapping[str, tuple[str, str]]


class FirstsFile:
    """The file of one home, and the ``weights`` that it keeps. Belongs to the node's loop.

    Until :meth:`start` they forget nobody who is away.
    """

    def __init__(self, home: Home, weights: Weights):
        self._home = home
        self._weights = weights
        known = home.load(FILE, _read, lost="of models of one name, those count that are heard first now")
        weights.first = self._written = known or {}
        weights.settled = False
        weights.changed = self._changed
        self._writing = threading.Lock()
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Every paired node is known by now: write what changes from here on."""
        self._weights.settled = True
        self._task = asyncio.create_task(self._write_late())

    async def stop(self) -> None:
        """Write what is not written yet."""
        self._weights.changed = lambda: None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            self._write()
        except StateError as error:
            log.warning("%s", error.message)

    def _changed(self) -> None:
        self._due.set()

    async def _write_late(self) -> None:
        told = False
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await asyncio.to_thread(self._write)
                told = False
            except StateError as error:
                self._due.set()
                if not told:
                    log.warning("%s", error.message)
                told = True
            await asyncio.sleep(LATE)

    def _write(self) -> None:
        with self._writing:
            first = self._weights.first
            if first != self._written:
                self._home.write(FILE, msgspec.json.encode(first))
                self._written = first


def _read(data: bytes) -> Firsts:
    return msgspec.json.decode(data, type=dict[str, tuple[str, str]])
