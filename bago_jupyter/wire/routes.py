"""Routes: names that lead to a chain of models."""

from __future__ import annotations

from .base import Message


class RouteWanted(Message, forbid_unknown_fields=True):
    """Make or replace a route."""

    name: str
    targets: list[str]
    """Models that are tried from left to right, each ``model`` or ``node/model``."""


class RouteInfo(Message):
    """A route."""

    name: str
    targets: list[str]
    missing: list[str] = []
    """The targets that nobody offers now; a request passes them over."""
