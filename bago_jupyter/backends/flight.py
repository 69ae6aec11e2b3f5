"""One attempt that was sent: where it went, and how."""

from __future__ import annotations

from ..errors import Cause
from ..router import Load, Row
from ..wire import Attempt, Outcome


class Flight:
    """What is known of one attempt, as :class:`~bago_jupyter.wire.Attempt` tells it; times are in seconds."""

    __slots__ = (
        "backend",
        "began",
        "cause",
        "detail",
        "ended",
        "first_byte",
        "headers",
        "hedge",
        "load",
        "model",
        "node",
        "outcome",
        "row",
        "started",
        "status",
    )

    def __init__(self, row: Row, load: Load, began: float, started: float, hedge: bool):
        offer = row.offer
        self.row = row
        self.load = load
        """Where its work is reserved."""
        self.began = began
        """Monotonic clock."""
        self.backend = offer.backend
        self.node = offer.node
        self.model = offer.model
        self.started = started
        self.hedge = hedge
        self.headers: float | None = None
        self.first_byte: float | None = None
        self.ended: float | None = None
        self.status: int | None = None
        self.outcome: Outcome = "open"
        self.detail: str | None = None
        self.cause: Cause | None = None

    def told(self) -> Attempt:
        """For people."""
        return Attempt(
            backend=self.backend,
            node=self.node,
            model=self.model,
            started=self.started,
            headers=self.headers,
            first_byte=self.first_byte,
            ended=self.ended,
            status=self.status,
            hedge=self.hedge,
            outcome=self.outcome,
            detail=self.detail,
            cause=self.cause,
        )
