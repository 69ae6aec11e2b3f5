"""Nodes that only discover, on real hosts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from headless import until
from lan import Lan, Process

NODE = Path(__file__).with_name("node.py")
FAST = {"announce": 1.0, "stale": 4.0, "sweep": 0.5, "watch": 0.25}
"""The rhythm of the real thing, shrunk: below 0.8 s zeroconf takes a repetition for a duplicate."""
CALM = {"announce": 600.0, "stale": 3600.0}
"""Nothing is announced by the clock: what is seen was told because it happened."""
STEADY = {**FAST, "stale": 60.0}
"""Announced by the clock, and never late on a busy machine."""


class Node:
    """A process with a ``Discovery``, and what it saw."""

    def __init__(self, process: Process, fingerprint: str, name: str):
        self.process = process
        self.fingerprint = fingerprint
        self.name = name

    def advertise(self, **fields: Any) -> float:
        """Announce; returns when."""
        told = {"name": self.name, "fingerprint": self.fingerprint, "port": 8080, "version": "0.1", **fields}
        return self.do("advertise", **told)["began"]

    def do(self, what: str, **fields: Any) -> dict[str, Any]:
        since = len(self.process.lines)
        self.process.send(do=what, **fields)
        return self.process.wait_for(lambda message: "done" in message or "stopped" in message, since=since)

    def event(
        self, kind: str, of: Node | None = None, timeout: float = 30.0, since: int = 0, **fields: Any
    ) -> Any:
        """The first event of that kind about ``of``."""
        return self.process.wait_for(
            lambda message: (
                message.get("event") == kind
                and (of is None or message["fingerprint"] == of.fingerprint)
                and all(message.get(name) == value for name, value in fields.items())
            ),
            timeout,
            since,
        )

    def notice(self, part: str, timeout: float = 30.0) -> None:
        self.process.wait_for(lambda message: part in message.get("notice", ""), timeout)

    def events(self, since: int = 0) -> list[str]:
        messages = [json.loads(line) for _, line in self.process.lines[since:]]
        return [message["event"] for message in messages if "event" in message]

    def nodes(self) -> list[dict[str, Any]]:
        since = len(self.process.lines)
        self.process.send(do="list")
        return self.process.wait_for(lambda message: "nodes" in message, since=since)["nodes"]

    def state(self) -> dict[str, Any]:
        since = len(self.process.lines)
        self.process.send(do="state")
        return self.process.wait_for(lambda message: "notice_now" in message, since=since)

    def announced(self) -> None:
        """Wait until the copies of the last announcement are out."""
        until(lambda: not self.state()["announcing"])

    def hears(self, other: Node, times: int = 1) -> None:
        """Wait until it has heard of ``other`` so many times more."""
        for _ in range(times):
            before = self._heard(other)
            until(lambda before=before: self._heard(other) > before)

    def _heard(self, other: Node) -> float:
        return max((n["last_seen"] for n in self.nodes() if n["fingerprint"] == other.fingerprint), default=0)

    @property
    def mark(self) -> int:
        """Where its output stands, for ``since``."""
        return len(self.process.lines)


def launch(
    lan: Lan, host: int, identity: int, name: str | None = None, loop: str = "auto", **options: Any
) -> Node:
    """Start a node on a host, with the fast rhythm unless told another."""
    fingerprint = f"fp_{identity:02x}{identity:062x}"
    given = json.dumps({"fingerprint": fingerprint, "times": FAST, **options})
    node = Node(lan.python(host, NODE, given, loop), fingerprint, name or f"node {identity}")
    node.process.wait_for(lambda message: "ready" in message)
    return node


Start = Callable[..., Node]


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(3) as lan:
        yield lan


@pytest.fixture
def start(lan: Lan) -> Start:
    """:func:`launch` on this network; identities are counted up unless one is given."""
    made = 0

    def start(host: int, *, identity: int | None = None, **options: Any) -> Node:
        nonlocal made
        made += 1
        return launch(lan, host, identity or made, **options)

    return start
