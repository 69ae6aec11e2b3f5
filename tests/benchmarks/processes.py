"""Child processes of a measurement: pinned, logged, awaited, and always ended, by their own pid."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from .group import BenchError
from .results import HERE

ROOT = HERE.parent.parent
OUT = HERE / "out"
HOST = "127.0.0.1"

_cores = sorted(os.sched_getaffinity(0))
PROXY_CORE = _cores[0]
"""The one core of what is measured."""
CLIENT_CORE = _cores[min(1, len(_cores) - 1)]
MOCK_CORE = _cores[min(2, len(_cores) - 1)]
"""With two cores the mock and the client share the second."""


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Everything started inside inherits ``core``; ``None`` pins nothing."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def child(
    name: str,
    command: Sequence[str | Path],
    *,
    core: int | None = None,
    env: Mapping[str, str] | None = None,
    ready_port: int | None = None,
    timeout: float = 30,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` with its output in ``out/<name>.log`` until the block ends.

    With ``ready_port`` the block starts once that port accepts. Raises :class:`BenchError`, with the
    end of the log, when the child dies before that or takes longer than ``timeout`` seconds.
    """
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.log"
    with path.open("wb") as log:
        with pinned(core):
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE,  # our own children exit when it closes
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            if ready_port is not None:
                _await_port(name, process, ready_port, timeout, path)
            yield process
        finally:
            end(process)


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of this package."""
    return [sys.executable, "-m", f"{__package__}.{module}", *map(str, arguments)]


def end(process: subprocess.Popen[bytes], patience: float = 3) -> None:
    """End ``process`` and what it started: first politely, then not."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    _close(process.stdin)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _, alive = psutil.wait_procs(family, timeout=1)
    for orphan in alive:
        orphan.kill()


def cpu_seconds(pid: int) -> float:
    """CPU time that process ``pid`` and its living children have used so far."""
    process = psutil.Process(pid)
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        times = member.cpu_times()
        total += times.user + times.system
    return total


def _await_port(name: str, process: subprocess.Popen[bytes], port: int, timeout: float, log: Path) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{name} ended with status {process.returncode}: {_tail(log)}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise BenchError(f"{name} does not listen after {timeout:.0f} s: {_tail(log)}")


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        pipe.close()
