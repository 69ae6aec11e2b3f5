"""``models``, ``pull``, ``load`` and ``unload``."""

from __future__ import annotations

import time
from pathlib import Path

from ... import launch
from ...wire import ModelInfo
from ..parse import Given
from ..progress import progress_bar
from ..session import Session
from ..show import quantity, seconds, size

_COLUMNS = ("model", "state", "engine", "quantisation", "parameters", "context", "size", "nodes")


def models(session: Session, given: Given) -> None:
    """The library as a table."""
    found = launch.node().models()
    if not found:
        session.screen.line("No models yet: %bago pull smollm2 gets a small one.")
        return
    session.screen.table(_COLUMNS, [_row(model) for model in found])
    for model in found:
        if model.error:
            session.screen.line(f"{model.id}: {model.error}")


def pull(session: Session, given: Given) -> None:
    """Bring a model into the library."""
    started = time.monotonic()
    with progress_bar(
        session.screen, "what arrived is kept, and the same %bago pull goes on from there"
    ) as bar:
        model = launch.node().pull(
            _source(given.argument),
            name=given.options.get("name"),
            sha256=given.options.get("sha256"),
            on_progress=bar.step,
        )
        facts = [model.quantization, size(model.size), f"in {seconds(time.monotonic() - started)}"]
        bar.end(f"{model.id} is in the library: {', '.join(fact for fact in facts if fact)}")


def load(session: Session, given: Given) -> None:
    """Load a model, with its progress."""
    started = time.monotonic()
    with progress_bar(session.screen, "the node may still finish the load: see %bago") as bar:
        model = launch.node().load(given.argument, on_progress=bar.step, **given.options)
        bar.end(_loaded(model, time.monotonic() - started))


def unload(session: Session, given: Given) -> None:
    """Free the memory of a model."""
    model = launch.node().unload(given.argument)
    session.screen.line(f"{model.id} is unloaded.")


def _source(text: str) -> str:
    """A path is made absolute: the node may run in another directory."""
    path = Path(text).expanduser()
    return str(path.absolute()) if path.exists() and ("/" in text or path.is_file()) else text


def _loaded(model: ModelInfo, elapsed: float) -> str:
    facts = [f"{model.id} is loaded in {seconds(elapsed)}"]
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
