"""Policies: how good a target is for a request; lower is better, ties go to the table's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .load import Load
from .offer import Offer
from .shape import Shape

Policy = Callable[[Shape, Offer, Load, int], float]
"""``(shape, offer, load, turn) -> score``; ``turn`` counts the decisions made so far."""


def balanced(shape: Shape, offer: Offer, load: Load, turn: int) -> float:
    """Expected finish in seconds: work before it and its own, over measured speed, plus latency."""
    return load.finish(shape.work, offer.slots)


def least_loaded(shape: Shape, offer: Offer, load: Load, turn: int) -> float:
    """Fewest requests in flight per slot."""
    return load.in_flight / max(1, offer.slots)


def fastest(shape: Shape, offer: Offer, load: Load, turn: int) -> float:
    """Seconds that it would take alone, whoever waits there."""
    return shape.work / load.speed + load.latency


def priority(shape: Shape, offer: Offer, load: Load, turn: int) -> float:
    """Lowest priority number; the others are for failover."""
    return float(offer.priority)


POLICIES: Mapping[str, Policy] = {
    "balanced": balanced,
    "least-loaded": least_loaded,
    "fastest": fastest,
    "priority": priority,
}
