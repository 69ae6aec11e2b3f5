"""``%bago``, ``up``, ``down`` and ``log``."""

from __future__ import annotations

from ... import launch
from ...client import NodeClient
from ...errors import NodeUnreachable
from ...settings import Settings
from ..parse import Given
from ..quiet import Interrupted, Usage
from ..secret import from_environ
from ..session import Session

_PLACES = {
    "thread": "in a thread of this kernel",
    "kernel": "on this kernel's own loop",
    "process": "in a process of its own",
    "headless": "without a kernel",
}


def status(session: Session, given: Given) -> None:
    """The status card, or what there is when no node runs."""
    try:
        node = launch.node()
        state = node.status()
    except NodeUnreachable:
        session.screen.line(_nothing())
        return
    if session.screen.rich:
        from ...widgets import StatusCard

        session.screen.show(StatusCard(node))
    else:
        from ...widgets.plain import plain

        session.screen.line(plain(state))


def up(session: Session, given: Given) -> None:
    """Start a node, or attach to the one that runs."""
    options = dict(given.options)
    where = options.pop("in", "thread")
    if variable := options.pop("api_key_env", None):
        options["api_key"] = from_environ(variable, "--api-key-env")
    try:
        node = launch.up(where, **options)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; see %bago for what runs") from None
    for line in _introduce(node):
        session.screen.line(line)


def down(session: Session, given: Given) -> None:
    """Stop the node that runs here."""
    session.screen.line("The node is down." if launch.down() else "No node ran here.")


def log(session: Session, given: Given) -> None:
    """The last lines of the node's log."""
    lines = given.options.get("lines", 50)
    if lines < 1:
        raise Usage(f"--lines must be at least 1, not {lines}.")
    session.screen.line("\n".join(line.rstrip("\n") for line in launch.node().log(lines)))


def _introduce(node: NodeClient) -> list[str]:
    state = node.status()
    lines = [f"{state.name} is up at {state.url}, {_PLACES.get(state.place, state.place)}."]
    models = [model.id for model in node.models()]
    more = f" and {len(models) - 5} more" if len(models) > 5 else ""
    lines.append(
        f"Models: {', '.join(models[:5])}{more}"
        if models
        else "No models yet: %bago pull smollm2 gets a small one."
    )
    return lines + state.notices


def _nothing() -> str:
    settings = Settings.load()
    try:
        files = sum(1 for entry in settings.models_dir.iterdir() if not entry.name.startswith("."))
    except OSError:
        files = 0
    library = f"{files} {'entry' if files == 1 else 'entries'}" if files else "nothing yet"
    return f"No node runs here: %bago up starts one. The library {settings.models_dir} holds {library}."
