"""Finished requests as the dispatcher records them."""

from __future__ import annotations

import time
from typing import Any

from bago_jupyter.backends.books import verdict
from bago_jupyter.wire import Attempt, Decision


def decision(
    model: str = "smol",
    node: str | None = "here",
    *,
    ended: float | None = None,
    seconds: float = 0.2,
    first: float | None = None,
    status: int | None = 200,
    tokens: tuple[int | None, int | None] = (10, 5),
    **more: Any,
) -> Decision:
    """A request that ended at ``ended`` (now); ``node=None`` for one that nobody was asked for."""
    ended = time.time() if ended is None else ended
    values = {"dialect": "chat", "caller": "local", "outcome": "ok", "stream": first is not None, **more}
    attempts = []
    if node is not None:
        attempts = [Attempt(backend="b", node=node, model=model, started=0.0, first_byte=first, outcome="ok")]
    outcome = values["outcome"]
    return Decision(
        id="req",
        at=ended - seconds,
        model=model,
        policy="balanced",
        attempts=attempts,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
        status=status,
        seconds=seconds,
        verdict=verdict(status, outcome),
        **values,
    )
