"""How a request, or one attempt at it, ended."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import BagoError, Cause
from ..wire import Outcome, Verdict


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


def verdict(status: int | None, outcome: Outcome) -> Verdict:
    """What counts for statistics, from the ``status`` and the ``outcome`` that a decision records.

    A whole answer with a status from 400 on has failed, whoever is to blame.
    """
    if outcome == "cancelled":
        return "cancelled"
    return "ok" if outcome == "ok" and status is not None and status < 400 else "failed"
