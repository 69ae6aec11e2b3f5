"""What is kept of one request: what was asked, decided and tried, and what came of it."""

from __future__ import annotations

import time

from ..errors import Cause
from ..router import Inputs, Plan, Shape, Ticket
from ..wire import Decision, Outcome, Verdict
from .base import Request
from .flight import Flight


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
        self.queued: float | None = None
        self.attempts: list[Flight] = []
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None
        self.status: int | None = None
        self.outcome: Outcome = "open"
        self.detail: str | None = None
        self.cause: Cause | None = None
        self.seconds: float | None = None
        self.verdict: Verdict | None = None

    def told(self) -> Decision:
        """For people; candidates and rejections are told by whoever decides again."""
        return Decision(
            id=self.id,
            at=self.at,
            model=self.model,
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
