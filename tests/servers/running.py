"""Starts a server in a process of its own, and ends all of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(url: str) -> bool:
    """Whether anything but a failure comes from ``url``."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def listens(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def process(
    command: list[str | Path],
    log: Path,
    ready: Any,
    *,
    seconds: float,
    env: Mapping[str, str] | None = None,
    **how: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """``command``, once ``ready()`` is true. What it says goes to ``log``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BAGO_"))}
    with log.open("ab") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**kept, **(env or {})},
            **how,
        )
    try:
        end = time.monotonic() + seconds
        while not ready():
            if child.poll() is not None or time.monotonic() > end:
                tail = log.read_text(errors="replace")[-3000:]
                raise AssertionError(f"{command[0]} was not ready within {seconds:.0f} s:\n{tail}")
            time.sleep(0.1)
        yield child
    finally:
        end_all(child)


def end_all(child: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> None:
    """End a process with all that it started."""
    for sign in (how, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
            child.wait(15)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
        else:
            break
    child.wait(15)
