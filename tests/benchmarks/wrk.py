"""Closed-loop load from Debian's ``wrk``."""

from __future__ import annotations

import subprocess

import msgspec

from .group import BenchError
from .machine import find_tool
from .processes import CLIENT_CORE, HOST, pinned
from .results import HERE

_MARK = "RESULT "


class Sample(msgspec.Struct, kw_only=True):
    """One run; latencies in microseconds."""

    requests: int
    duration_us: float
    failed: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.duration_us * 1e6


def run(port: int, callers: int, seconds: int) -> Sample:
    """Post chat completions over ``callers`` connections. Raises :class:`BenchError` if none succeeds."""
    program = find_tool("wrk")
    if program is None:
        raise BenchError("wrk is not installed; on Debian: apt-get install wrk")
    url = f"http://{HOST}:{port}/v1/chat/completions"
    command = [program, "-t1", f"-c{callers}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(HERE / "post.lua"), url]
    with pinned(CLIENT_CORE):
        ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 20)
    line = next((line for line in ran.stdout.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise BenchError(f"wrk failed: {ran.stderr.strip() or ran.stdout.strip()}")
    sample = msgspec.json.decode(line.removeprefix(_MARK), type=Sample)
    if sample.requests - sample.failed < 1:
        raise BenchError(f"no request to port {port} succeeded")
    return sample
