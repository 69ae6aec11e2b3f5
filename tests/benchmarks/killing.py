"""One of three nodes is killed while streams run over all of them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import msgspec

from . import fleet
from .asking import Door, Reply, ask
from .group import BenchError, Progress
from .lab import Node, Nodes, nodes_on, until
from .results import Cell, Table, aim, figure

STREAMS = 64
RUNS = 5
SECONDS = 8.0
KILL_AT = 3.0
SERVER = fleet.Server(slots=24, speed=50, reading=400, burst=2)
PROMPT = 200
ANSWER = 100
POLICY = "least-loaded"
NAMES = ("ada", "bob", "cyd")


class _Run(NamedTuple):
    replies: list[Reply]
    there: int
    """Requests that the killed node had when it was killed."""
    unbegun: int
    """Those of them of which no byte had come."""


def tables(progress: Progress, runs: int = RUNS) -> tuple[Table, list[list[Cell]]]:
    """The same three nodes; the killed one is started again for the next run."""
    done: list[_Run] = []
    with nodes_on(len(NAMES)) as nodes:
        made = [nodes(host, name) for host, name in enumerate(NAMES, 1)]
        for node in made:
            _connect(nodes, node)
        ada, bob, cyd = made
        ada.pair(bob)
        ada.pair(cyd)
        ada.client.configure(policy=POLICY)
        door = Door(ada.client.url, inside=partial(nodes.lan.inside, 1))
        for number in range(runs):
            until(lambda: ada.models().get(fleet.MODEL, set()) >= {"ada-server", "bob", "cyd"})
            done.append(_run(door, ada, bob))
            progress(f"run {number + 1}/{runs}: {_told(done[-1])}")
            bob.close()
            bob = nodes(2, "bob", home=bob.home.root, port=bob.port)
    return _shown(done)


def _connect(nodes: Nodes, node: Node) -> None:
    """A server of the node's own host, which it lends to its peers."""
    command = [sys.executable, "-m", f"{__package__}.fleet", msgspec.json.encode([SERVER]).decode()]
    process = nodes.lan.start(node.host, *command)
    port = process.wait_for(lambda message: "ports" in message, 30)["ports"][0]
    node.client.add_connection(
        f"{node.name}-server", url=f"http://127.0.0.1:{port}", slots=SERVER.slots, share=True
    )


def _run(door: Door, ada: Node, bob: Node) -> _Run:
    replies: list[Reply] = []
    begun = time.monotonic()
    caught: list[tuple[int, int]] = []

    def keep_asking(lane: int) -> None:
        time.sleep(lane * 0.02)  # so that they are not all at the same place in their answers
        while time.monotonic() - begun < SECONDS:
            replies.append(ask(door, _body()))

    def kill() -> None:
        here = [d for d in ada.client.decisions(3 * STREAMS) if d.outcome == "open" and d.attempts]
        there = [d.attempts[-1] for d in here if d.attempts[-1].node == bob.name]
        bob.process.kill()
        caught.append((len(there), sum(attempt.first_byte is None for attempt in there)))

    timer = threading.Timer(KILL_AT, kill)
    timer.start()
    with ThreadPoolExecutor(STREAMS) as pool:
        list(pool.map(keep_asking, range(STREAMS)))
    timer.join()
    if not caught:
        raise BenchError("the node could not be killed")
    return _Run(replies, *caught[0])


def _body() -> dict[str, Any]:
    text = f"{time.monotonic_ns():x} ".ljust(PROMPT * fleet.BYTES_PER_TOKEN, "x")
    return {
        "model": fleet.MODEL,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": ANSWER,
        "stream": True,
    }


def _of(run: _Run, outcome: str) -> int:
    return sum(reply.outcome == outcome for reply in run.replies)


def _told(run: _Run) -> str:
    there = f"{run.there} at the killed node, {run.unbegun} of them without a byte"
    ended = f"{_of(run, 'told')} ended by an error event, {_of(run, 'cut')} without one"
    return f"{len(run.replies)} requests, {there}; {_of(run, 'failed')} failed, {ended}"


def _shown(done: Sequence[_Run]) -> tuple[Table, list[list[Cell]]]:
    rows: list[list[Cell]] = [
        ["requests", figure(len(run.replies) for run in done)],
        ["at the killed node in that moment", figure(run.there for run in done)],
        ["of these without a first byte", figure(run.unbegun for run in done)],
        ["failed without a first byte", figure(_of(run, "failed") for run in done)],
        ["broken later, ended with an error event", figure(_of(run, "told") for run in done)],
        ["broken later, without one", figure(_of(run, "cut") for run in done)],
    ]
    failed = figure([max(_of(run, "failed") for run in done)])
    cut = figure([max(_of(run, "cut") for run in done)])
    caption = f"`kill -9` of one of three nodes under {STREAMS} streams"
    return Table(caption=caption, columns=["requests", "in one run"], rows=rows), [
        aim("`kill -9`: requests that failed without a first byte, the most of any run", failed, 0),
        aim("`kill -9`: streams that ended without an error event, the most of any run", cut, 0),
    ]
