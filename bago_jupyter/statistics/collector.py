"""Counts every finished request in memory. Cheap, and bounded however many names clients think of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from .cell import Cell
from .finished import Finished, Tried

OTHER = "other"
"""The name under which everything beyond the bounds is counted."""
KEYS = 500
"""Different keys within an hour."""
CALLERS = 100
"""Different callers within an hour."""
IN_VAIN = 20
"""Different models within an hour that nobody had: anybody may ask for anything."""
TOTALS = 300
"""Different (model, node, dialect) since the start."""
LONGEST = 200
"""Characters of a name."""


class Key(NamedTuple):
    """What requests are counted by."""

    at: int
    """Unix time of the beginning of the minute in which they ended."""
    model: str
    node: str
    """Where they were answered; empty if nobody was asked."""
    caller: str
    dialect: str


Cells = dict[Key, Cell]
Totals = dict[tuple[str, str, str], Cell]


class Collector:
    """What has not been taken yet, and the totals since the start. Belongs to the node's loop."""

    def __init__(self) -> None:
        self.since = time.time()
        self._totals: Totals = {}
        self._vain_totals = 0
        self.pending: dict[tuple[int, str, str, str, str], Cell] = {}
        """What was not taken yet, by the parts of its :class:`Key`."""
        self._hour = 0
        self._keys: set[tuple[str, str, str, str]] = set()
        self._callers: set[str] = set()
        self._in_vain: set[str] = set()

    def record(self, finished: Finished) -> None:
        """Count a request that is over."""
        attempts = finished.attempts
        attempt = attempts[0] if len(attempts) == 1 else final(attempts)
        self.cell(finished, attempt).add(finished, attempt)

    def cell(self, finished: Finished, attempt: Tried | None) -> Cell:
        """Where a request is counted that ended with ``attempt``."""
        model, node = (finished.model, "") if attempt is None else (attempt.model, attempt.node)
        at = int(finished.at + (finished.seconds or 0.0)) // 60 * 60
        cell = self.pending.get((at, model, node, finished.caller, finished.dialect))
        return cell or self._new(at, model, node, finished.caller, finished.dialect)

    def take(self) -> Cells:
        """What was counted since the last call; it is in the totals from now on."""
        taken = {Key(*key): cell for key, cell in self.pending.items()}
        self.pending = {}
        for key, cell in taken.items():
            self._total(key).merge(cell)
        return taken

    @property
    def totals(self) -> Totals:
        """Counters since the start by (model, node, dialect), of all that was taken."""
        return self._totals

    def _new(self, at: int, model: str, node: str, caller: str, dialect: str) -> Cell:
        hour = at // 3600
        if hour != self._hour:
            self._hour = hour
            self._keys, self._callers, self._in_vain = set(), set(), set()
        model, node, caller = _clean(model), _clean(node), _clean(caller)
        if not node:
            model = _bounded(model, self._in_vain, IN_VAIN)
        caller = _bounded(caller, self._callers, CALLERS)
        names = (model, node, caller, dialect)
        if names not in self._keys:
            if len(self._keys) < KEYS:
                self._keys.add(names)
            else:
                names = (OTHER, OTHER, OTHER, dialect)
        return self.pending.setdefault((at, *names), Cell())

    def _total(self, key: Key) -> Cell:
        name = (key.model, key.node, key.dialect)
        cell = self._totals.get(name)
        if cell is None:
            if not key.node:
                if self._vain_totals < IN_VAIN:
                    self._vain_totals += 1
                else:
                    name = (OTHER, "", key.dialect)
            elif len(self._totals) - self._vain_totals >= TOTALS:
                name = (OTHER, OTHER, key.dialect)
            cell = self._totals.setdefault(name, Cell())
        return cell


def final(attempts: Sequence[Tried]) -> Tried | None:
    """The attempt that a request ended with: the one answered, else the last that was not overtaken."""
    for attempt in reversed(attempts):
        if attempt.first_byte is not None and attempt.outcome != "overtaken":
            return attempt
    for attempt in reversed(attempts):
        if attempt.outcome != "overtaken":
            return attempt
    return attempts[-1] if attempts else None


def _bounded(name: str, known: set[str], most: int) -> str:
    if name in known:
        return name
    if len(known) >= most:
        return OTHER
    known.add(name)
    return name


def _clean(name: str) -> str:
    """``name`` as a database and Prometheus can hold it: no lone surrogates, and not endless."""
    return name[:LONGEST].encode("utf-8", "replace").decode()
