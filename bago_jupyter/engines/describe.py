"""The library and its runners in the words of the management API."""

from __future__ import annotations

from ..wire import ModelInfo, ModelState
from .engine import engine_of
from .library import Library
from .runners import Runners

_STATES: tuple[tuple[str, ModelState], ...] = (
    ("ready", "ready"),
    ("loading", "loading"),
    ("starting", "loading"),
    ("backoff", "loading"),
    ("failed", "failed"),
)
"""Runner states by what they say of the model, the most telling first."""


def describe(library: Library, runners: Runners, node: str, id: str) -> ModelInfo:
    """Model ``id`` with its runners. Raises :class:`~bago_jupyter.errors.ModelNotFound`."""
    model = library.get(id)
    infos = runners.infos(model.id)
    states = {info.state for info in infos}
    _, unsupported = engine_of(model)
    return ModelInfo(
        id=model.id,
        state=next(
            (state for seen, state in _STATES if seen in states),
            "unsupported" if unsupported else "available",
        ),
        nodes=[node],
        engine=model.engine,
        format=model.format,
        architecture=model.architecture,
        parameters=model.parameters,
        quantization=model.quantization,
        context_length=model.context_length,
        size=model.size,
        digest=model.digest,
        path=str(model.path),
        license=model.license,
        tasks=list(model.tasks),
        chat=model.chat_template,
        error=next((info.error for info in infos if info.error), unsupported),
        runners=infos,
    )


def describe_all(library: Library, runners: Runners, node: str) -> list[ModelInfo]:
    """Every model of the library, and the unreadable files with the reason as ``error``."""
    known = [describe(library, runners, node, id) for id in library.models]
    broken = [
        ModelInfo(id=id, state="failed", nodes=[node], error=sentence)
        for id, sentence in library.broken.items()
    ]
    return sorted(known + broken, key=lambda info: info.id)
