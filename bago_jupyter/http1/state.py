"""The life of a connection, the same on both sides."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """What a connection does now."""

    NEW = "new"
    """Nothing was said on it yet."""
    ACTIVE = "active"
    """A request or its answer is on the way."""
    IDLE = "idle"
    """It is kept for the next request (RFC 9112, 9.3)."""
    CLOSED = "closed"
    """Nothing that arrives on it counts any more."""


NEW, ACTIVE, IDLE, CLOSED = State
