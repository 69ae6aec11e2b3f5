"""The decision: hard gates first, then the policy's order."""

from __future__ import annotations

import msgspec

from ..wire import Candidate, Rejection
from .inputs import Inputs, Row
from .offer import Offer
from .policy import PATIENT, POLICIES
from .shape import Shape


class Plan(msgspec.Struct, frozen=True, gc=False):
    """Targets in the order in which they are to be tried, and why the others are not."""

    rows: tuple[Row, ...]
    scores: tuple[float, ...]
    """Parallel to ``rows``; lower is better within a rank."""
    rejections: tuple[Rejection, ...]
    waits: bool
    """Whether the request had better wait for a slot than go where one is free."""

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The targets."""
        return tuple([row.offer for row in self.rows])

    @property
    def candidates(self) -> list[Candidate]:
        """The targets and their scores, for people."""
        return [_candidate(row, score) for row, score in zip(self.rows, self.scores, strict=True)]


def plan(inputs: Inputs) -> Plan:
    """Decide who may answer, best first.

    Pure: the same inputs give the same plan. Raises ``KeyError`` for an unknown policy. An empty plan
    says why in its rejections, or has none when nobody offers the model.
    """
    score = POLICIES[inputs.policy]
    scored: list[tuple[int, bool, float, int]] = []
    rejections: list[Rejection] = []
    for position, row in enumerate(inputs.rows):
        refused = _gate(inputs.shape, row)
        if refused is not None:
            offer = row.offer
            gate, reason = refused
            rejections.append(Rejection(backend=offer.backend, node=offer.node, gate=gate, reason=reason))
            continue
        scored.append((row.rank, row.suspect, score(inputs, row), position))
    if len(scored) > 1:
        scored.sort()
    rows = tuple([inputs.rows[entry[3]] for entry in scored])
    scores = tuple([entry[2] for entry in scored])
    waits = bool(rows) and rows[0].full
    if waits and inputs.policy not in PATIENT:
        free = next((at for at, row in enumerate(rows) if _spills(row, rows[0])), None)
        if free is not None:
            rows = (rows[free], *rows[:free], *rows[free + 1 :])
            scores = (scores[free], *scores[:free], *scores[free + 1 :])
            waits = False
    return Plan(rows, scores, tuple(rejections), waits)


def _spills(row: Row, best: Row) -> bool:
    """Whether ``row`` takes what ``best`` has no slot for: another model is no substitute for a full one."""
    return not row.full and row.rank == best.rank and not row.suspect


def _candidate(row: Row, score: float) -> Candidate:
    offer = row.offer
    return Candidate(
        backend=offer.backend,
        node=offer.node,
        model=offer.model,
        rank=row.rank,
        score=score,
        state=offer.state,
        in_flight=row.in_flight,
        slots=offer.slots,
        full=row.full,
        suspect=row.suspect,
        speed=row.speed,
        latency=row.latency,
        warm=row.warm,
        priority=offer.priority,
        weight=offer.weight,
    )


def _gate(shape: Shape, row: Row) -> tuple[str, str] | None:
    """The first gate that a row does not pass, with the reason, or ``None``."""
    offer = row.offer
    if shape.relayed and offer.peer:
        return "relayed", "a relayed request is not relayed again"
    if shape.relayed and not offer.shared:  # a peer learns nothing more of it
        return "sharing", "it is not shared with peers"
    if offer.state == "failed":
        return "file", offer.reason or "it cannot be loaded"
    if shape.task not in offer.tasks:
        return "task", f"{offer.model} cannot {shape.task}"
    if offer.health in ("unhealthy", "disabled"):
        return "health", offer.reason or offer.health
    if offer.health == "warming":
        return "health", offer.reason or "it is warming up"
    if shape.local_only and not offer.local:
        return "local-only", "the request may not leave this machine"
    if offer.dialects is not None and shape.dialect not in offer.dialects:
        spoken = ", ".join(sorted(offer.dialects))
        return "dialect", f"it cannot answer {shape.dialect} requests, only {spoken}"
    if offer.context_length and shape.least_tokens > offer.context_length:
        return (
            "context",
            f"at least {shape.least_tokens} prompt tokens, but the context holds {offer.context_length}",
        )
    if row.paused is not None:
        return "breaker", f"paused after failures: {row.paused}"
    return None
