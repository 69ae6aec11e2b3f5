"""Engines: what turns a model file into a child process that speaks OpenAI's HTTP."""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..wire import EngineInfo
from .llama_cpp import LlamaCpp
from .modelfile import ModelFile
from .spec import RunnerSpec


class Engine(Protocol):
    """One way to run models. Stateless; every method is thread-safe and quick."""

    @property
    def name(self) -> str: ...

    def info(self) -> EngineInfo:
        """Whether it can run here, found out without importing it."""

    def handles(self, model: ModelFile) -> bool:
        """Whether it can run ``model``."""

    def command(self, spec: RunnerSpec) -> list[str]:
        """The child's command line. It holds no secret: the child reads ``spec`` from its stdin."""

    def explain(self, stderr: Sequence[str]) -> str | None:
        """Why a load failed, in words for people, from the last lines the child wrote."""


ENGINES: tuple[Engine, ...] = (LlamaCpp(),)


def engine_of(model: ModelFile) -> tuple[Engine | None, str | None]:
    """What runs ``model`` here, or ``None`` and the reason as a sentence."""
    for engine in ENGINES:
        if engine.handles(model):
            info = engine.info()
            if info.available:
                return engine, None
            return None, info.reason or f"Engine {engine.name} is not available."
    return None, f"No engine here runs {model.id} ({model.format}); it needs {model.engine}."


@functools.cache
def accelerator() -> str | None:
    """What this machine computes with: ``cuda``, ``rocm``, ``metal`` or ``cpu``.

    Told from the drivers that are there, without touching the device.
    """
    if sys.platform == "darwin":
        return "metal" if platform.machine() == "arm64" else "cpu"
    if sys.platform == "win32":
        driver = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvcuda.dll")
        return "cuda" if driver.exists() else "cpu"
    if Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists():
        return "cuda"
    if Path("/dev/kfd").exists():
        return "rocm"
    return "cpu"
