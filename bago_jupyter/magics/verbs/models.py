"""``models``, ``pull``, ``load`` and ``unload``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ... import launch
from ...errors import BagoError
from ...wire import ModelInfo
from ..advice import advised
from ..parse import Given
from ..progress import progress_bar
from ..quiet import Usage
from ..session import Session
from ..show import quantity, seconds, size

if TYPE_CHECKING:
    from ...client import NodeClient

_COLUMNS = ("model", "state", "engine", "quantisation", "parameters", "context", "size", "nodes")


def models(session: Session, given: Given) -> None:
    """The library and what paired nodes share, as a table; or join weights of one name."""
    digests = [word for word in (given.argument, *given.options.get("more", ())) if word]
    if name := given.options.get("join"):
        _join(session, name, digests)
        return
    if digests:
        raise Usage(f"%bago models {digests[0]}: digests follow --join NAME only.")
    found = everywhere(launch.node())
    if not found:
        session.screen.line("No models yet: %bago pull smollm2 gets a small one.")
        return
    session.screen.table(_COLUMNS, [_row(model) for model in found])
    for model in found:
        if model.error:
            session.screen.line(f"{model.id}: {model.error}")
        elif _completes(model):
            session.screen.line(f"{model.id}: completes text and does not chat (it has no chat template).")
        if model.other:
            digits = (model.digest or "").removeprefix("sha256:")[:12]
            one = f"%bago models --join {model.id} {digits} makes them one."
            session.screen.line(
                f"{model.id} of {', '.join(model.nodes)} is another model: {model.other}; {one}"
            )


def _join(session: Session, name: str, digests: list[str]) -> None:
    joined = launch.node().join(name, digests).digests
    shown = ", ".join(digest.removeprefix("sha256:")[:12] for digest in joined)
    session.screen.line(f"{name} is one model with the weights {shown}." if shown else _apart(name))


def _apart(name: str) -> str:
    return f"Different weights of {name} are told apart: they are asked as NODE/{name}."


def everywhere(client: NodeClient) -> list[ModelInfo]:
    """The models of this node, then those of each paired node."""
    return client.models() + [model for node in client.nodes() for model in node.models]


def pull(session: Session, given: Given) -> None:
    """Bring a model into the library."""
    started, on = time.monotonic(), given.options.get("on")
    kept = "what arrived is kept, and the same %bago pull goes on from there"
    with advised(_control), progress_bar(session.screen, kept) as bar:
        model = launch.node().pull(
            given.argument if on else _source(given.argument),
            on=on,
            name=given.options.get("name"),
            sha256=given.options.get("sha256"),
            on_progress=bar.step,
        )
        facts = [model.quantization, size(model.size), f"in {seconds(time.monotonic() - started)}"]
        facts += ["completes text and does not chat"] if _completes(model) else []
        bar.end(f"{model.id} is in the library{_of(on)}: {', '.join(fact for fact in facts if fact)}")


def load(session: Session, given: Given) -> None:
    """Load a model, with its progress."""
    started = time.monotonic()
    kept = "the node may still finish the load: see %bago"
    with advised(_control), progress_bar(session.screen, kept) as bar:
        model = launch.node().load(given.argument, on_progress=bar.step, **given.options)
        bar.end(_loaded(model, given.options.get("on"), time.monotonic() - started))


def unload(session: Session, given: Given) -> None:
    """Free the memory of a model."""
    on = given.options.get("on")
    with advised(_control):
        model = launch.node().unload(given.argument, on=on)
    session.screen.line(f"{model.id} is unloaded{f' on {on}' if on else ''}.")


def _control(error: BagoError) -> str | None:
    if error.param != "allow_control":
        return None
    return f"There: %bago nodes set {launch.node().status().name} --allow-control on."


def _source(text: str) -> str:
    """A path is made absolute: the node may run in another directory."""
    try:
        path = Path(text).expanduser()
        return str(path.absolute()) if path.exists() and ("/" in text or path.is_file()) else text
    except (OSError, RuntimeError, ValueError):  # too long, nobody's home, a NUL: the node says what is wrong
        return text


def _completes(model: ModelInfo) -> bool:
    return "generate" in model.tasks and not model.chat


def _of(on: str | None) -> str:
    return f" of {on}" if on else ""


def _loaded(model: ModelInfo, on: str | None, elapsed: float) -> str:
    facts = [f"{model.id} is loaded{f' on {on}' if on else ''} in {seconds(elapsed)}"]
    for runner in model.runners[:1]:
        facts += [f"{runner.context_length} tokens of context", f"{runner.slots} slots"]
    return " · ".join(facts)


def _row(model: ModelInfo) -> tuple[object, ...]:
    loaded = max((runner.context_length for runner in model.runners), default=0)
    trained = model.context_length
    context = (
        f"{loaded} of {trained}" if loaded and trained and loaded != trained else trained or loaded or ""
    )
    return (
        model.id,
        model.state,
        model.engine or "",
        model.quantization or "",
        quantity(model.parameters),
        context,
        size(model.size),
        ", ".join(model.nodes),
    )
