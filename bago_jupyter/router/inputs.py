"""All that a decision hangs on: every offer of a model as it stands at one moment."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from .affinity import Affinity
from .breaker import Breakers
from .load import IDLE, Load
from .offer import Offer, Table
from .shape import Shape

Key = tuple[str, str]
"""Backend and model."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """One offer of the model that is asked for, as it stood when the decision was made."""

    offer: Offer
    rank: int
    """Place of its model in the chain of a route; 0 without one."""
    in_flight: int
    work: int
    speed: float
    latency: float
    last: int
    capacity: int
    """Requests of this caller that it takes side by side with those in flight."""
    warm: int = 0
    """Tokens of the prompt that it has read before."""
    paused: str | None = None
    """Why its breaker lets nothing through."""
    suspect: bool = False
    """Whether it has failed lately, or may be gone."""
    cost: int = 1
    """Tokens of work that this request makes there."""

    @property
    def full(self) -> bool:
        """Whether a request more would have to wait there."""
        return self.in_flight >= self.capacity


class Inputs(msgspec.Struct, frozen=True, gc=False):
    """All that a decision hangs on. Kept with its record, it decides the same again."""

    shape: Shape
    rows: tuple[Row, ...]
    policy: str = "balanced"
    turn: int = 0
    """Counts the decisions."""
    ahead: int = 0
    """Tokens of work that wait for the same model, before this request."""


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
    rows, whole = [], shape.work()
    for rank, offer in table.find(shape.model, relayed=shape.relayed):
        load = loads.get((offer.backend, offer.model), IDLE)
        state, reason = ("closed", None) if offer.local else breakers.look(offer.backend, offer.model, now)
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
                shape.work(warm) if warm else whole,
            )
        )
    return tuple(rows)
