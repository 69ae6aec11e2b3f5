"""Why requests went where they went."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..errors import Cause
from .base import Message

Verdict = Literal["ok", "failed", "cancelled"]
"""How a request, or an attempt at it, counts."""
Outcome = Literal["open", "ok", "failed", "cancelled", "overtaken"]
"""How a request, or an attempt at it, went; ``ok`` is an answer that came whole, whatever its status."""


class Rejection(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A candidate that a hard gate ruled out."""

    backend: str
    node: str
    gate: str
    reason: str


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A candidate that passed every gate, with what the policy thought of it (lower is better)."""

    backend: str
    node: str
    model: str
    """The name under which that backend knows the model."""
    rank: int
    """Place of its model in the chain of a route; 0 without one."""
    score: float
    state: str
    in_flight: int
    """Requests there when the decision was made."""
    slots: int
    full: bool
    """Whether a request more had to wait there."""
    suspect: bool
    """Whether it had failed lately, or may have been gone."""
    tight: bool = False
    """Whether the prompt was probably too long for its context."""
    speed: float
    """Tokens per second that one request gets there."""
    latency: float
    warm: int
    """Tokens of the prompt that it had read before."""
    priority: int
    weight: float


class Attempt(Message, gc=False):
    """One try of a request at one backend."""

    backend: str
    node: str
    model: str
    """The name under which that backend knows the model."""
    started: float
    """Seconds after the request arrived."""
    headers: float | None = None
    first_byte: float | None = None
    ended: float | None = None
    status: int | None = None
    hedge: bool = False
    """Whether it ran beside an earlier attempt that was late."""
    outcome: Outcome = "open"
    detail: str | None = None
    """The failure in a sentence."""
    cause: Cause | None = None
    """What the node made of the failure."""


class Decision(Message, gc=False):
    """Why a request went where it went; kept in a ring buffer and shown by ``%bago why``."""

    id: str
    at: float
    model: str
    dialect: str
    stream: bool
    caller: str
    policy: str
    queued: float | None = None
    """Seconds for which it waited for a slot."""
    candidates: list[Candidate] = []
    rejections: list[Rejection] = []
    attempts: list[Attempt] = []
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    status: int | None = None
    outcome: Outcome = "open"
    detail: str | None = None
    """The failure in a sentence."""
    cause: Cause | None = None
    seconds: float | None = None
    verdict: Verdict | None = None
    """How it counts, once it is over."""
    replayed: bool | None = None
    """Whether its inputs, decided again, gave the same plan."""
