"""What all messages have in common."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, kw_only=True, omit_defaults=False):
    """Base of all messages: keyword-only, unknown fields ignored so that versions can differ."""
