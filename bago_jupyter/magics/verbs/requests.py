"""``requests``, ``approve``, ``refuse``, ``confirm`` and ``cancel``: pairing without a key."""

from __future__ import annotations

import time

from ... import launch
from ...wire import RequestInfo
from ..parse import Given
from ..session import Session
from ..show import age, fingerprint
from .pairing import arrival

_COLUMNS = ("node", "fingerprint", "direction", "match code", "state", "age", "address", "next")


def requests(session: Session, given: Given) -> None:
    """Requests of others and of this node."""
    found = launch.node().requests()
    if not found:
        session.screen.line("No requests; %bago connect --request NODE asks a discovered node.")
        return
    session.screen.table(_COLUMNS, [_row(request) for request in found])


def approve(session: Session, given: Given) -> None:
    """Let a node connect."""
    done = launch.node().decide(given.argument, "approve")
    session.screen.line(
        f"{done.name} ({fingerprint(done)}) is approved with the match code {done.code}; it is paired once "
        "its owner confirms. Does it show another code there? %bago refuse it at once."
    )


def refuse(session: Session, given: Given) -> None:
    """Turn a node down."""
    done = launch.node().decide(given.argument, "refuse")
    session.screen.line(f"{done.name} ({fingerprint(done)}) is refused.")


def confirm(session: Session, given: Given) -> None:
    """Pair with a node that approved."""
    client = launch.node()
    done = client.decide(given.argument, "confirm")
    session.screen.line(f"Paired with {done.name} ({fingerprint(done)}).")
    session.screen.line(arrival(client, done.fingerprint))


def cancel(session: Session, given: Given) -> None:
    """Withdraw a request."""
    done = launch.node().decide(given.argument, "cancel")
    session.screen.line(f"The request to {done.name} is withdrawn.")


def _row(request: RequestInfo) -> tuple[object, ...]:
    return (
        request.name,
        fingerprint(request),
        request.direction,
        request.code,
        request.state,
        age(time.time() - request.since),
        request.address or "",
        _next(request),
    )


def _next(request: RequestInfo) -> str:
    if request.direction == "outgoing":
        return {"approved": "%bago confirm", "waiting": "its owner approves"}.get(request.state, "")
    return "compare codes, then %bago approve or refuse" if request.state == "waiting" else ""
