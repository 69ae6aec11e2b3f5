"""Named API keys."""

from __future__ import annotations

from .base import Message


class ApiKeyWanted(Message, forbid_unknown_fields=True):
    """Make an API key."""

    name: str


class ApiKeyInfo(Message):
    """A named API key; ``key`` is itself, only in the answer that makes it."""

    name: str
    created: float
    last_used: float | None = None
    """Since the node started."""
    key: str | None = None

    def __repr__(self) -> str:
        return f"ApiKeyInfo({self.name!r})"
