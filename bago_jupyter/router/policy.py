"""Policies: how good a target is for a request; lower is better, ties go to the table's order."""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Callable, Mapping

from .inputs import Inputs, Row

Policy = Callable[[Inputs, Row], float]
"""Score of a target for a request."""


def balanced(inputs: Inputs, row: Row) -> float:
    """Expected finish in seconds: what waits there, the own work less what is in its cache, the network."""
    return wait(inputs, row) + row.cost / row.speed + row.latency


def round_robin(inputs: Inputs, row: Row) -> float:
    """One after the other: whoever was chosen longest ago."""
    return float(row.last)


def weighted(inputs: Inputs, row: Row) -> float:
    """At random, in proportion to the weights.

    ``-log(u) / weight`` with ``u`` drawn for this turn and backend makes the first place, and each place
    after it, as likely as the weights say (Efraimidis and Spirakis, 2006). Weight 0 comes last.
    """
    if row.offer.weight <= 0:
        return LAST
    return min(LAST, -math.log(_draw(inputs.turn, row.offer.backend)) / row.offer.weight)


def least_loaded(inputs: Inputs, row: Row) -> float:
    """Fewest requests in flight per slot."""
    return row.in_flight / max(1, row.offer.slots)


def fastest(inputs: Inputs, row: Row) -> float:
    """Seconds that it would take alone, whoever waits there."""
    return inputs.shape.work() / row.speed + row.latency


def priority(inputs: Inputs, row: Row) -> float:
    """Lowest priority number; the others are for overflow and failover."""
    return float(row.offer.priority)


POLICIES: Mapping[str, Policy] = {
    "balanced": balanced,
    "round-robin": round_robin,
    "weighted": weighted,
    "least-loaded": least_loaded,
    "fastest": fastest,
    "priority": priority,
}


def _draw(turn: int, backend: str) -> float:
    """Uniform in (0, 1), the same for the same turn and backend (SplitMix64's finalizer)."""
    x = (turn * 0x9E3779B97F4A7C15 + zlib.crc32(backend.encode()) * 0xD1342543DE82EF95) & _MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return ((x ^ x >> 31) + 1) / (_MASK + 2)


_MASK = 2**64 - 1
LAST = sys.float_info.max
"""The worst score; JSON has no infinity."""

PATIENT = frozenset({"balanced", "fastest"})
"""Policies that would rather wait for the best target than go to a worse one that is free."""


def wait(inputs: Inputs, row: Row) -> float:
    """Seconds until a slot is free there for this request, as an estimate."""
    slots = row.capacity
    if row.in_flight < slots:
        return 0.0
    mine = (row.in_flight - slots + 1) / row.in_flight * row.work / slots
    return (mine + inputs.ahead / slots) / row.speed
