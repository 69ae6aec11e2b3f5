"""What is kept of one request: what was asked, decided and tried, and what came of it."""

from __future__ import annotations

import time

from ..errors import Cause
from ..router import Inputs, Load, Plan, Row, Shape, Ticket
from ..text import plain
from ..wire import Attempt, Decision, Outcome, Verdict
from .base import Request


class Flight:
    """One attempt that was sent, as :class:`~bago_jupyter.wire.Attempt` tells it; times are in seconds."""

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


class Record:
    """One request, from its arrival on. :meth:`told` makes a :class:`~bago_jupyter.wire.Decision` of it.

    Belongs to the node's loop.
    """

    __slots__ = (
        "arrived",
        "at",
        "attempts",
        "caller",
        "cause",
        "completion_tokens",
        "detail",
        "dialect",
        "id",
        "inputs",
        "model",
        "outcome",
        "plan",
        "policy",
        "prompt_tokens",
        "queued",
        "request",
        "seconds",
        "shape",
        "status",
        "stream",
        "taught",
        "ticket",
        "verdict",
    )

    def __init__(self, request: Request, shape: Shape):
        self.id = request.id
        self.at = time.time()
        self.arrived = time.monotonic()
        self.request: Request | None = request
        """What is sent; forgotten when the request is over."""
        self.shape = shape
        self.model = shape.model
        self.dialect = shape.dialect
        self.stream = shape.stream
        self.caller = shape.caller
        self.policy = ""
        self.ticket: Ticket | None = None
        """Its place in the fair order; ``None`` while its caller is the only one about."""
        self.inputs: Inputs | None = None
        """All that the latest decision hung on."""
        self.plan: Plan | int | None = None
        """That decision, or a mark by which it is told from another."""
        self.taught: tuple[int, ...] = ()
        """Of its prompt, what the router took for read by the first target when it was sent there."""
        self.attempts: list[Flight] = []
        self.queued: float | None = None
        self.seconds: float | None = None
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None
        self.status: int | None = None
        self.outcome: Outcome = "open"
        self.detail: str | None = None
        self.cause: Cause | None = None
        self.verdict: Verdict | None = None

    def told(self) -> Decision:
        """For people; candidates and rejections are told by whoever decides again."""
        return Decision(
            id=self.id,
            at=self.at,
            model=plain(self.model),  # as somebody asked for it
            dialect=self.dialect,
            stream=self.stream,
            caller=self.caller,
            policy=self.policy,
            queued=self.queued,
            attempts=[flight.told() for flight in self.attempts],
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            status=self.status,
            outcome=self.outcome,
            detail=self.detail,
            cause=self.cause,
            seconds=self.seconds,
            verdict=self.verdict,
        )
