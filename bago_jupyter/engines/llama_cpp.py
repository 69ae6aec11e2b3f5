"""llama.cpp through ``xllamacpp``: llama-server inside a child process of ours."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Sequence

from ..wire import EngineInfo
from .modelfile import ModelFile
from .spec import RunnerSpec

_REASONS = (
    re.compile(r"error loading model: (?P<why>.+)"),
    re.compile(r"(?P<why>(?:failed|unable) to allocate .+)"),
    re.compile(r"(?P<why>.*out of memory.*)", re.IGNORECASE),
    re.compile(r"(?P<why>GGML_ASSERT.+)"),
    re.compile(r"^[\d.]+ E \S*\s+(?P<why>.+)"),
    re.compile(r"^(?P<why>\w*Error: .+)"),
)


class LlamaCpp:
    """GGUF files through llama.cpp."""

    name = "llama.cpp"

    def info(self) -> EngineInfo:
        return _info()

    def handles(self, model: ModelFile) -> bool:
        return model.format == "gguf"

    def command(self, spec: RunnerSpec) -> list[str]:
        # -P: the notebook's folder must not lend its modules to the runner
        return [sys.executable, "-P", "-m", "bago_jupyter.engines.llama_server"]

    def explain(self, stderr: Sequence[str]) -> str | None:
        for pattern in _REASONS:
            for line in stderr:
                if (match := pattern.search(line)) is not None:
                    return match["why"].strip().rstrip(".")
        return None


@functools.cache
def _info() -> EngineInfo:
    if importlib.util.find_spec("xllamacpp") is None:
        return EngineInfo(
            name=LlamaCpp.name,
            available=False,
            reason="Package xllamacpp is missing; install it with: pip install xllamacpp",
        )
    return EngineInfo(name=LlamaCpp.name, version=f"xllamacpp {importlib.metadata.version('xllamacpp')}")
