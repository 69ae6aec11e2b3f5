"""The load client, a process of its own: ``python -m tests.benchmarks.load KIND PORT SECONDS``.

``streams`` keeps many SSE streams open, ``steady`` sends requests at a fixed rate; both print one
:class:`Sample` as JSON.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys

import msgspec

from .group import BenchError
from .processes import CLIENT_CORE, HOST, pinned, python
from .results import percentile

STREAMS = 256
RATE = 100
"""Requests per second of ``steady``."""
WARM = 1.0
"""Seconds before samples count."""


class Sample(msgspec.Struct, kw_only=True):
    """What one run of the client saw; latencies in microseconds."""

    p50: float
    """Of the answers, or of the first events of the streams."""
    p99: float
    event_p50: float = 0
    event_p99: float = 0
    events: int = 0
    """Events of the whole run, warm-up included."""
    answers: int = 0
    failed: int = 0
    started_ns: int
    """Monotonic time at which counting started; the load itself began :data:`WARM` seconds before."""
    ended_ns: int


def run(kind: str, port: int, seconds: float) -> Sample:
    """Run the client for ``seconds`` after its warm-up. Raises :class:`BenchError` when it fails."""
    with pinned(CLIENT_CORE):
        ran = subprocess.run(
            python("load", kind, port, seconds), capture_output=True, timeout=seconds + 20, check=False
        )
    if ran.returncode:
        raise BenchError(f"the load client failed: {ran.stderr.decode().strip().splitlines()[-1]}")
    return msgspec.json.decode(ran.stdout, type=Sample)


def request(port: int, *, stream: bool) -> bytes:
    """The bytes of a small chat completion request."""
    body = json.dumps(
        {
            "model": "mock",
            "messages": [
                {"role": "user", "content": "How does a relay pass a stream on without holding it up?"}
            ],
            "stream": stream,
        },
        separators=(",", ":"),
    )
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Window:
    """When samples count, and the samples."""

    def __init__(self, begin_ns: int, seconds: float):
        self.begin = begin_ns
        self.end = begin_ns + int(seconds * 1e9)
        self.first: list[float] = []
        self.events: list[float] = []
        self.total = self.answers = self.failed = 0

    def sample(self) -> Sample:
        """Sum up. Raises ``ValueError`` when not one answer counted."""
        return Sample(
            p50=percentile(self.first, 0.5),
            p99=percentile(self.first, 0.99),
            event_p50=percentile(self.events, 0.5) if self.events else 0,
            event_p99=percentile(self.events, 0.99) if self.events else 0,
            events=self.total,
            answers=self.answers,
            failed=self.failed,
            started_ns=self.begin,
            ended_ns=self.end,
        )


def main(kind: str, port: str, seconds: str) -> None:
    """Run one load and print its :class:`Sample`."""
    gc.disable()
    if kind == "streams":
        from . import streams

        window = streams.run(int(port), float(seconds))
    else:
        from . import steady

        window = steady.run(int(port), float(seconds))
    sys.stdout.write(msgspec.json.encode(window.sample()).decode() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
