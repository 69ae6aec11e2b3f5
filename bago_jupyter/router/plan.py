"""The decision: hard gates first, then the policy's order."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..wire import Candidate, Rejection
from .affinity import Affinity
from .breaker import Breakers
from .inputs import Inputs, Key, Row
from .load import IDLE, Load
from .offer import Gated, Offer, Table
from .policy import PATIENT, POLICIES
from .shape import READING, Shape

KINDS = 1024
"""Kinds of requests whose static gates are remembered; anybody may ask for anything."""


class Plan(msgspec.Struct, frozen=True, gc=False):
    """Targets in the order in which they are to be tried, and why the others are not."""

    rows: tuple[Row, ...]
    scores: tuple[float, ...]
    """Parallel to ``rows``; lower is better within a rank. A single target is not scored."""
    rejections: tuple[Rejection, ...]
    waits: bool
    """Whether the request had better wait for a slot than go where one is free."""

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The targets."""
        return tuple([row.offer for row in self.rows])

    def candidates(self, inputs: Inputs) -> list[Candidate]:
        """The targets of a plan that was made of ``inputs``, and their scores, for people."""
        score = POLICIES[inputs.policy]
        return [_candidate(row, score(inputs, row)) for row in self.rows]


def survey(
    table: Table,
    shape: Shape,
    *,
    loads: Mapping[Key, Load],
    breakers: Breakers,
    affinity: Affinity,
    latencies: Mapping[str, float],
    now: float,
    keep: int = 0,
) -> tuple[Row, ...]:
    """Every offer of the model as it stands ``now`` (seconds of any monotonic clock, the breakers' own).

    ``keep`` slots of each are kept free for other callers, where it has more than one.
    """
    kind = shape.model, shape.task, shape.dialect, shape.relayed, shape.local_only
    entries = table.gated.get(kind)
    if entries is None:
        entries = _gated(table, shape)
        if len(table.gated) < KINDS:
            table.gated[kind] = entries
    rows = []
    cold = shape.prompt_tokens // READING + shape.answer or 1  # shape.work(), on the way of every request
    likely = shape.likely_tokens
    failing = breakers.all
    for rank, offer, refused in entries:
        load = loads.get((offer.backend, offer.model), IDLE)
        state, reason = "closed", None
        if failing and not offer.local:
            state, reason = breakers.look(offer.backend, offer.model, now)
        warm = affinity.warm(offer.backend, offer.model, shape.prefix) if shape.prefix else 0
        capacity = offer.slots * offer.max_load_percent // 100 - keep
        rows.append(
            Row(
                offer,
                rank,
                load.in_flight,
                load.work,
                load.speed,
                latencies.get(offer.backend, 0.0),
                load.last,
                capacity if capacity > 1 else 1,
                warm,
                reason if state == "open" else None,
                state == "suspect" or offer.health == "unknown",
                shape.work(warm) if warm else cold,
                refused,
                likely > 0 and likely > (offer.context_length or likely),
            )
        )
    return tuple(rows)


def plan(inputs: Inputs) -> Plan:
    """Decide who may answer, best first.

    Pure: the same inputs give the same plan. Raises ``KeyError`` for an unknown policy. An empty plan
    says why in its rejections, or has none when nobody offers the model.
    """
    least, rows = inputs.shape.least_tokens, inputs.rows
    if len(rows) == 1 and rows[0].refused is None and rows[0].paused is None and not least:
        return Plan(rows, (0.0,), (), rows[0].in_flight >= rows[0].capacity)
    able: list[Row] = []
    rejections: list[Rejection] = []
    for row in rows:
        length = row.offer.context_length
        if row.refused is None and row.paused is None and not (length and least > length):
            able.append(row)
        else:
            rejections.append(_rejection(row, least))
    score = POLICIES[inputs.policy]
    if len(able) < 2:
        rows, scores = tuple(able), (0.0,) * len(able)
    else:
        scored = sorted(
            [
                (row.rank, row.suspect, row.tight, score(inputs, row), position)
                for position, row in enumerate(able)
            ]
        )
        rows = tuple([able[entry[4]] for entry in scored])
        scores = tuple([entry[3] for entry in scored])
    waits = bool(rows) and rows[0].in_flight >= rows[0].capacity
    if waits and inputs.policy not in PATIENT:
        free = next((at for at, row in enumerate(rows) if _spills(row, rows[0])), None)
        if free is not None:
            rows = (rows[free], *rows[:free], *rows[free + 1 :])
            scores = (scores[free], *scores[:free], *scores[free + 1 :])
            waits = False
    return Plan(rows, scores, tuple(rejections), waits)


def _spills(row: Row, best: Row) -> bool:
    """Whether ``row`` takes what ``best`` has no slot for: another model is no substitute for a full one, nor
    is one whose context is too short."""
    return not row.full and row.rank == best.rank and not row.suspect and row.tight <= best.tight


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
        tight=row.tight,
        speed=row.speed,
        latency=row.latency,
        warm=row.warm,
        priority=offer.priority,
        weight=offer.weight,
    )


def _rejection(row: Row, least: int) -> Rejection:
    """Why ``row`` is ruled out: by the first gate that it does not pass."""
    offer = row.offer
    if row.refused is not None:
        gate, reason = row.refused
    elif offer.context_length and least > offer.context_length:
        gate = "context"
        reason = f"at least {least} prompt tokens, but the context holds {offer.context_length}"
    else:
        gate, reason = "breaker", f"paused after failures: {row.paused}"
    return Rejection(backend=offer.backend, node=offer.node, gate=gate, reason=reason)


def _gated(table: Table, shape: Shape) -> tuple[Gated, ...]:
    found = table.find(shape.model, relayed=shape.relayed)
    gated: list[Gated] = [(rank, offer, _gate(shape, offer)) for rank, offer in found]
    if not shape.relayed:  # a peer learns nothing of the others
        gated += [(0, offer, ("weights", table.difference(offer))) for offer in table.apart(shape.model)]
    return tuple(gated)


def _gate(shape: Shape, offer: Offer) -> tuple[str, str] | None:
    """The first gate that an offer does not pass for every request of this kind, with the reason."""
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
    return None
