"""Headless nodes on this host, each with a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bago_jupyter.client import NodeClient
from bago_jupyter.state import Home

PATIENCE = 60.0


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for a condition; its truth value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return value


def environ(home: Path, **settings: object) -> dict[str, str]:
    """The environment of a process of ``home``, without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BAGO_")}
    return kept | {"BAGO_HOME": str(home), **{f"BAGO_{name.upper()}": str(v) for name, v in settings.items()}}


class Headless:
    """One ``bago-jupyter serve`` with the starter model in its library, as ``model``."""

    def __init__(self, home: Path, name: str, gguf: Path | None = None, model: str = "smol"):
        self.home, self.name = home, name
        if gguf is not None:
            (home / "models").mkdir(parents=True, exist_ok=True)
            (home / "models" / f"{model}.gguf").symlink_to(gguf)
        command = [sys.executable, "-m", "bago_jupyter", "serve"]
        self.process = subprocess.Popen(
            command, env=environ(home, name=name, port=0, context_length=512), stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), "the node did not come up"
        file = Home(home).read_node()
        assert file is not None
        self.client = NodeClient(file)

    def cli(self, *words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run the command line for this node's home, from a shell that knows nothing else of it."""
        command = [sys.executable, "-m", "bago_jupyter", *words]
        return subprocess.run(
            command,
            env={**environ(self.home), **more},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def must(self, *words: str, stdin: str = "", **more: str) -> str:
        """The same where it has to succeed; what it printed."""
        done = self.cli(*words, stdin=stdin, **more)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
