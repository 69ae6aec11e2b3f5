"""The decision: hard gates first, then the policy's order."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..wire import Candidate, Rejection
from .breaker import Breakers
from .load import IDLE, Load
from .offer import Offer, Table
from .policy import POLICIES
from .shape import Shape

Key = tuple[str, str]


class Plan(msgspec.Struct, frozen=True, gc=False):
    """Targets in the order in which they are to be tried, and why the others are not."""

    policy: str
    offers: tuple[Offer, ...]
    candidates: tuple[Candidate, ...]
    """Parallel to ``offers``."""
    rejections: tuple[Rejection, ...]


def plan(
    shape: Shape,
    table: Table,
    *,
    loads: Mapping[Key, Load],
    breakers: Breakers,
    now: float,
    policy: str = "balanced",
    turn: int = 0,
) -> Plan:
    """Decide who may answer ``shape``, best first.

    Pure: the same arguments give the same plan, whatever order the table was built in. Raises
    ``KeyError`` for an unknown policy. An empty plan says why in its rejections, or has none when
    nobody offers the model.
    """
    score = POLICIES[policy]
    scored: list[tuple[float, int, Offer, Load]] = []
    rejections: list[Rejection] = []
    for position, offer in enumerate(table.find(shape.model)):
        load = loads.get((offer.backend, offer.model), IDLE)
        refused = _gate(shape, offer, load, breakers, now)
        if refused is not None:
            gate, reason = refused
            rejections.append(Rejection(backend=offer.backend, node=offer.node, gate=gate, reason=reason))
            continue
        scored.append((score(shape, offer, load, turn), position, offer, load))
    if len(scored) > 1:
        scored.sort(key=_order)
    return Plan(
        policy,
        tuple([entry[2] for entry in scored]),
        tuple([_candidate(offer, load, value) for value, _, offer, load in scored]),
        tuple(rejections),
    )


def _order(entry: tuple[float, int, Offer, Load]) -> tuple[bool, float, int]:
    """By score; what may be gone comes after what is well."""
    score, position, offer, _ = entry
    return offer.health == "unknown", score, position


def _candidate(offer: Offer, load: Load, score: float) -> Candidate:
    return Candidate(
        backend=offer.backend,
        node=offer.node,
        model=offer.model,
        score=score,
        state=offer.state,
        in_flight=load.in_flight,
        slots=offer.slots,
        speed=load.speed,
        latency=load.latency,
        priority=offer.priority,
    )


def _gate(shape: Shape, offer: Offer, load: Load, breakers: Breakers, now: float) -> tuple[str, str] | None:
    """The first gate that ``offer`` does not pass, with the reason, or ``None``."""
    if offer.state == "failed":
        return "file", offer.reason or "it cannot be loaded"
    if shape.task not in offer.tasks:
        return "task", f"{offer.model} cannot {shape.task}"
    if offer.health in ("unhealthy", "disabled"):
        return "health", offer.reason or offer.health
    if shape.local_only and not offer.local:
        return "local-only", "the request may not leave this machine"
    if shape.relayed and offer.peer:
        return "relayed", "a relayed request is not relayed again"
    if shape.relayed and not offer.shared:
        return "sharing", "it is not shared with peers"
    if offer.dialects is not None and shape.dialect not in offer.dialects:
        spoken = ", ".join(sorted(offer.dialects))
        return "dialect", f"it cannot answer {shape.dialect} requests, only {spoken}"
    if offer.context_length and shape.least_tokens > offer.context_length:
        return (
            "context",
            f"at least {shape.least_tokens} prompt tokens, but the context holds {offer.context_length}",
        )
    if offer.max_load_percent < 100 and load.in_flight >= offer.slots * offer.max_load_percent / 100:
        return "max-load", f"{load.in_flight} in flight, which is its limit of {offer.max_load_percent} %"
    if offer.local:  # its runner backs off by itself
        return None
    breaker = breakers.get(offer.backend, offer.model)
    if breaker is not None and not breaker.allows(now):
        return "breaker", f"paused after failures: {breaker.reason}"
    return None
