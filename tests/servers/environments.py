"""Environments of their own for other people's servers, made once and kept in the cache of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import filelock
import pytest

CACHE = Path.home() / ".cache" / "bago-jupyter-tests"
MINUTES = 20
on_demand = pytest.mark.skipif("BAGO_SERVERS" not in os.environ, reason="make test-servers runs it")
"""For servers that take long to set up."""


def environment(name: str, *requirements: str, then: Sequence[str] = (), without: Sequence[str] = ()) -> Path:
    """The ``python`` of an environment with ``requirements``, then with those of ``then`` in place of some,
    and ``without`` what only stands in the way.

    Skips the test, with the reason, where it cannot be made.
    """
    target = CACHE / name
    python = target / "bin" / "python"
    wanted = "\n".join([*requirements, "then", *then, "without", *without])
    CACHE.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(CACHE / f"{name}.lock"):
        made = target / "complete"
        if not (made.exists() and made.read_text() == wanted):
            _run(name, sys.executable, "-m", "venv", "--clear", str(target))
            _run(name, str(python), "-m", "pip", "install", "-q", "uv")  # pip may try versions for minutes
            for verb, packages in (("install", requirements), ("install", then), ("uninstall", without)):
                if packages:
                    _run(name, str(python), "-m", "uv", "pip", verb, "-q", "--python", str(python), *packages)
            made.write_text(wanted)
    return python


def tiny_model(python: Path) -> Path:
    """The folder of the tiny model, made by an environment that can."""
    folder, script = CACHE / "tiny", Path(__file__).with_name("tiny.py")
    with filelock.FileLock(CACHE / "tiny.lock"):
        made = folder / "made-by"
        if not (made.exists() and made.read_text() == script.read_text()):
            _run("the tiny model", str(python), str(script), str(folder))
            made.write_text(script.read_text())
    return folder


def _run(name: str, *command: str) -> None:
    # uv does not look at what pip is told, nor by itself at what the system trusts
    links = {
        "UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", ""),
        "UV_SYSTEM_CERTS": "true",
        "UV_NATIVE_TLS": "true",
    }
    env = {name: value for name, value in {**links, **os.environ}.items() if value}
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=MINUTES * 60, env=env)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{name} cannot be set up here: {error}")
    if result.returncode:
        why = (result.stderr.strip().splitlines() or ["no reason was given"])[-1]
        pytest.skip(f"{name} cannot be set up here: {why[:300]}")
