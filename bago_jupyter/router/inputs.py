"""All that a decision hangs on: every offer of a model as it stands at one moment."""

from __future__ import annotations

import msgspec

from .offer import Offer
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
    refused: tuple[str, str] | None = None
    """The gate that the offer itself does not pass for such a request, with the reason."""
    tight: bool = False
    """Whether the prompt is probably too long for its context."""

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
