"""Other versions of ipykernel than the installed one, each alone in a folder that goes before it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import filelock
import pytest

# 7.3 sometimes hears nothing more on its shell channel: it sends replies past the stream that reads that
# socket, which loses wake-ups. 7.4 does not.
DEAF = pytest.param("7.3.0", marks=pytest.mark.flaky(reruns=2, only_rerun=["not within", "Timeout"]))
WITH_SUBSHELLS = [DEAF, "7.4.0"]
VERSIONS = ["6.31.0", *WITH_SUBSHELLS]
CACHE = Path.home() / ".cache" / "bago-jupyter-tests"


def fetch(ipykernel: str) -> Path:
    """The folder with that version of ipykernel alone, fetched once for all runs."""
    target = CACHE / f"ipykernel-{ipykernel}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(CACHE / "lock"):
        if not (target / "complete").exists():
            packages = [f"ipykernel=={ipykernel}"] + (["nest-asyncio"] if ipykernel.startswith("6.") else [])
            command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target)]
            result = subprocess.run([*command, *packages], capture_output=True, text=True)
            if result.returncode:
                why = (result.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
                pytest.skip(f"ipykernel {ipykernel} cannot be fetched: {why}")
            (target / "complete").touch()
    return target
