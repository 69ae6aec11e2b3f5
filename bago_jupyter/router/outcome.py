"""How a request, or one attempt at it, ended."""

from __future__ import annotations

from ..wire import Verdict


def verdict(status: int | None, outcome: str) -> Verdict:
    """What counts for statistics, from the ``status`` and the ``outcome`` that a decision records.

    A whole answer with a status from 400 on has failed, whoever is to blame.
    """
    if outcome == "cancelled":
        return "cancelled"
    return "ok" if outcome == "ok" and status is not None and status < 400 else "failed"
