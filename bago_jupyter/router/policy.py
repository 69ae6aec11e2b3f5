"""Policies: how good a target is for a request; lower is better, ties go to the table's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .load import Load
from .offer import Offer
from .shape import Shape

Policy = Callable[[Shape, Offer, Load, int], tuple[float, str]]
"""``(shape, offer, load, turn) -> (score, reason)``; ``turn`` counts the decisions made so far."""


def balanced(shape: Shape, offer: Offer, load: Load, turn: int) -> tuple[float, str]:
    """Expected finish: work before it and its own, over measured speed, plus network latency."""
    seconds = load.finish(shape.work, offer.slots)
    cold = "" if offer.state == "ready" else f", {offer.state}"
    return seconds, f"done in {seconds:.2f} s ({load.in_flight} in flight, {load.speed:.0f} tok/s{cold})"


def least_loaded(shape: Shape, offer: Offer, load: Load, turn: int) -> tuple[float, str]:
    """Fewest requests in flight per slot."""
    share = load.in_flight / max(1, offer.slots)
    return share, f"{load.in_flight} in flight on {offer.slots} slots"


def fastest(shape: Shape, offer: Offer, load: Load, turn: int) -> tuple[float, str]:
    """Highest measured speed, whoever waits there."""
    return shape.work / load.speed + load.latency, f"{load.speed:.0f} tok/s, {load.latency * 1e3:.0f} ms away"


def priority(shape: Shape, offer: Offer, load: Load, turn: int) -> tuple[float, str]:
    """Lowest priority number; the others are for failover."""
    return float(offer.priority), f"priority {offer.priority}"


POLICIES: Mapping[str, Policy] = {
    "balanced": balanced,
    "least-loaded": least_loaded,
    "fastest": fastest,
    "priority": priority,
}
