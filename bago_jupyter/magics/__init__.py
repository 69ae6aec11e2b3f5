"""The ``%bago`` line and cell magic.

Nothing slow is imported here: ``%load_ext bago_jupyter`` pays only for the table of verbs.
"""

from __future__ import annotations

from typing import Any

NAME = "bago"
_sessions: dict[int, Any] = {}


def load(ip: Any) -> None:
    """Register the magic, its completion and the error log with shell ``ip``; again is harmless."""
    from .complete import matcher
    from .magic import magic
    from .question import BagoLine
    from .session import Session

    if id(ip) in _sessions:
        return
    session = _sessions[id(ip)] = Session(ip)
    ip.register_magic_function(magic(session), "line_cell", NAME)
    ip.input_transformer_manager.token_transformers.append(BagoLine)
    ip.events.register("post_run_cell", session.errors.record)
    completer = getattr(ip, "Completer", None)
    if completer is not None:
        session.matcher = matcher(session)
        completer.custom_matchers.append(session.matcher)


def unload(ip: Any) -> None:
    """Take back all that :func:`load` registered; the node, if one runs, goes on."""
    from .question import BagoLine

    session = _sessions.pop(id(ip), None)
    if session is None:
        return
    for kind in ("line", "cell"):
        ip.magics_manager.magics[kind].pop(NAME, None)
    ip.input_transformer_manager.token_transformers.remove(BagoLine)
    ip.events.unregister("post_run_cell", session.errors.record)
    if session.matcher is not None:
        ip.Completer.custom_matchers.remove(session.matcher)
