"""vLLM's router, in an environment of its own: what a gateway for LLMs costs that is written in Rust."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import HOST, PROXY_CORE, child, free_port

NAME = "vllm-router"
START_SECONDS = 60
LONG = 3600
"""Seconds between two looks at the backend's health: longer than any run."""


@contextmanager
def proxy(programs: Path, upstream: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The router before one backend that it never doubts; yields its process and port."""
    port = free_port()
    options: dict[str, object] = {
        "host": HOST,
        "port": port,
        "worker-urls": f"http://{HOST}:{upstream}",
        "policy": "round_robin",
        "health-check-interval-secs": LONG,
        "worker-startup-check-interval": 1,
        "worker-startup-timeout-secs": START_SECONDS,
        "prometheus-port": free_port(),
        "log-level": "error",
    }
    command = [str(programs / NAME), "--disable-retries", "--disable-circuit-breaker"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    with child(NAME, command, core=PROXY_CORE, ready_port=port, timeout=START_SECONDS) as process:
        yield process, port
