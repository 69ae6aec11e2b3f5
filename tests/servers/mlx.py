"""mlx_lm.server on the processor, with the tiny model and no folder of others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .environments import environment, tiny_model
from .running import answers, process

REQUIREMENTS = ("mlx[cpu]==0.32.4", "mlx-lm==0.32.2")


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Runs at ``port``; ``folder`` is for its log."""
    python = environment("mlx", *REQUIREMENTS)
    command = [python, "-m", "mlx_lm", "server", "--model", tiny_model(python), "--port", str(port)]
    env = {"HF_HUB_CACHE": str(folder / "none"), "HF_HUB_OFFLINE": "1"}
    url = f"http://127.0.0.1:{port}/health"
    with process(command, folder / "mlx.log", lambda: answers(url), seconds=120, env=env) as child:
        yield child
