"""A request on its way through the dispatcher."""

from __future__ import annotations

from typing import NamedTuple

from ..router import Shape, Ticket
from ..wire import Decision
from .base import Request


class Asked(NamedTuple):
    """What was asked, and what is kept of it."""

    request: Request
    shape: Shape
    decision: Decision
    ticket: Ticket
