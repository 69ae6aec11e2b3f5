"""Why requests went where they went."""

from __future__ import annotations

import msgspec

from .base import Message


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
    score: float
    state: str
    in_flight: int
    """Requests there when the decision was made."""
    slots: int
    speed: float
    """Tokens per second that one request gets there."""
    latency: float
    priority: int


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
    outcome: str = "open"
    """``ok``, ``cancelled``, or the cause of the failure."""


class Decision(Message, gc=False):
    """Why a request went where it went; kept in a ring buffer and shown by ``%bago why``."""

    id: str
    at: float
    model: str
    dialect: str
    stream: bool
    caller: str
    policy: str
    candidates: list[Candidate] = []
    rejections: list[Rejection] = []
    attempts: list[Attempt] = []
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    status: int | None = None
    outcome: str = "open"
    seconds: float | None = None
