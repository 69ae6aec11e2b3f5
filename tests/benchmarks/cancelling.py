"""A client that goes away in the middle of an answer: when the slot that worked for it is free."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec

from bago_jupyter.engines.spec import RunnerSpec

from .asking import Door
from .group import BenchError, Progress
from .lab import Nodes, model_file, nodes_on, until
from .results import Cell, Table, aim, figure

RUNS = 10
EVERY = 0.02
"""Seconds between two looks at the slots; each of them costs llama-server a little."""
PATIENCE = 60.0
LENT = "lent"
MOST = 1000


def tables(progress: Progress, runs: int = RUNS) -> tuple[Table, list[list[Cell]]]:
    """Ada asks bob, whose own runner or whose lent server answers."""
    rows: list[list[Cell]] = []
    aims: list[list[Cell]] = []
    with nodes_on(2) as nodes:
        ada, bob = nodes(1, "ada"), nodes(2, "bob", model=model_file())
        ada.pair(bob)
        bob.client.load("smol")
        door = Door(ada.client.url, inside=partial(nodes.lan.inside, 1))
        with _server(nodes) as server:
            bob.client.add_connection("server", url=server.url, share=True)
            until(lambda: ada.routes_to(bob, "smol") and ada.routes_to(bob, LENT))
            looks: dict[str, tuple[str, Callable[[], bool]]] = {
                "smol": (
                    "client, node, node, runner",
                    lambda: any(slot.busy for slot in bob.client.slots("smol")),
                ),
                LENT: ("client, node, node, server of a connection", partial(_busy, server)),
            }
            for model, (way, busy) in looks.items():
                taken = [_cancel(door, model, busy) for _ in range(runs)]
                progress(f"{way}: {' '.join(f'{ms:.0f}' for ms in taken)} ms")
                rows.append([way, figure(taken)])
                aims.append(aim(f"{way}: slowest of the cancelled, ms", figure([max(taken)]), MOST))
    columns = ["ms from the closed connection to the free slot", "median (range)"]
    return Table(caption=f"{runs} streams given up in the middle", columns=columns, rows=rows), aims


@contextmanager
def _server(nodes: Nodes) -> Iterator[Door]:
    """A llama-server of bob's host that is none of his runners."""
    process = nodes.lan.start(2, sys.executable, "-P", "-m", "bago_jupyter.engines.llama_server")
    spec = RunnerSpec(path=str(model_file()), context_length=1024, slots=2, aliases=(LENT,))
    process.send(**msgspec.to_builtins(spec))
    said = process.wait_for(lambda message: "event" in message, 60)
    if said["event"] != "ready":
        raise BenchError(f"llama-server did not start: {said}")
    try:
        yield Door(said["url"], inside=partial(nodes.lan.inside, 2))
    finally:
        process.close()


def _busy(server: Door) -> bool:
    with server.connection() as connection:
        connection.request("GET", "/slots")
        return any(slot["is_processing"] for slot in json.load(connection.getresponse()))


def _cancel(door: Door, model: str, busy: Callable[[], bool]) -> float:
    """Milliseconds from the closed connection to the free slot."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "Tell me all that there is to know about clocks."}],
        "max_tokens": 900,
        "ignore_eos": True,
        "stream": True,
    }
    with door.connection() as connection:
        response = door.post(connection, body)
        if response.status != 200:
            raise BenchError(f"{model} was answered {response.status}: {response.read(300).decode()}")
        for _ in range(20):
            response.readline()
        if not busy():
            raise BenchError("no slot is at work in the middle of an answer")
        response.close()
    begin = time.perf_counter()
    while busy():
        if time.perf_counter() - begin > PATIENCE:
            raise BenchError("the slot was not freed")
        time.sleep(EVERY)
    return (time.perf_counter() - begin) * 1000
