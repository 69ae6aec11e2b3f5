"""How a request, or one attempt at it, ended."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import BagoError, Cause
from ..wire import Outcome


class Ending(NamedTuple):
    """How it ended, with the sentence and the cause of a failure."""

    outcome: Outcome
    detail: str | None = None
    cause: Cause | None = None


OK = Ending("ok")
CANCELLED = Ending("cancelled")
OVERTAKEN = Ending("overtaken")


def failed(error: BagoError) -> Ending:
    """It ended with ``error``."""
    return Ending("failed", error.message, error.cause)
