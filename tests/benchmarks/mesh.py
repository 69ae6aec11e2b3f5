"""Two nodes on two hosts: how soon each knows what the other does."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

from .group import BenchError, Group, Progress
from .lab import Node, Nodes, both_online, link, model_file, nodes_on, until
from .results import Cell, Table, aim, aims, figure

RUNS = 10
EVERY = 0.002
"""Seconds between two looks."""
TEAM = "a key for the benchmark"
Samples = dict[str, list[float]]


def measure(progress: Progress) -> list[Table]:
    """Every row in turn, on a LAN of namespaces; the slow last row runs beside the others."""
    samples: Samples = {}
    with nodes_on(4) as nodes:
        listed = _Listed(nodes)
        steps: list[Callable[[Nodes], Samples]] = [_announcing, _pairing, _leaving, _team]
        for step in steps:
            measured = step(nodes)
            samples |= measured
            for name, values in measured.items():
                progress(f"{name}: {_ms(values)} ms")
        progress("kill -9 to out of the discovered list: waiting for it")
        samples["`kill -9` to out of the discovered list"] = [listed.result()]
    figures = {name: figure([s * 1000 for s in values]) for name, values in samples.items()}
    rows: list[list[Cell]] = [[name, value] for name, value in figures.items()]
    limits = {
        "advertise to seen": 300,
        "goodbye to gone": 500,
        "`kill -9` to out of routing": 5000,
        "`kill -9` to out of the discovered list": 120_000,
        "team key: process start to first routed request": 2000,
        "model added to visible on the other node": 300,
    }
    return [
        Table(caption="Between two hosts", columns=["ms", "median (range)"], rows=rows),
        aims([aim(f"{name}, ms", figures[name], limit) for name, limit in limits.items()]),
    ]


def _timed(condition: Callable[[], Any], patience: float = 30.0, since: float | None = None) -> float:
    begun = time.monotonic() if since is None else since
    until(condition, patience, EVERY)
    return time.monotonic() - begun


def _announcing(nodes: Nodes) -> Samples:
    ada, bob = nodes(1, "ada", advertise=True), nodes(2, "bob")
    seen: list[float] = []
    gone: list[float] = []
    ada.client.discovered()
    for _ in range(RUNS):
        begun = time.monotonic()
        bob.client.configure(advertise=True)
        seen.append(_timed(lambda: ada.sees(bob), since=begun))
        time.sleep(2)  # zeroconf repeats what is new for a second
        begun = time.monotonic()
        bob.client.configure(advertise=False)
        gone.append(_timed(lambda: not ada.sees(bob), since=begun))
        time.sleep(1)
    _end(ada, bob)
    return {"advertise to seen": seen, "goodbye to gone": gone}


def _pairing(nodes: Nodes) -> Samples:
    ada, bob = nodes(1, "ada"), nodes(2, "bob", model=model_file())
    key: list[float] = []
    online: list[float] = []
    models: list[float] = []
    removed: list[float] = []
    for number in range(RUNS):
        text = str(bob.client.make_key().text)
        begun = time.monotonic()
        ada.client.connect(text)
        key.append(time.monotonic() - begun)
        until(lambda: ada.routes_to(bob) and bob.state(ada) == "online", every=EVERY)
        online.append(time.monotonic() - begun)
        name = f"new{number}"
        begun = time.monotonic()
        link(bob.home.root, model_file(), name)
        models.append(_timed(functools.partial(ada.routes_to, bob, name), since=begun))
        begun = time.monotonic()
        bob.client.remove_node("ada")
        removed.append(_timed(lambda: not ada.paired(bob), since=begun))
    _end(ada, bob)
    return {
        "pairing by key": key,
        "the same, to routed in both directions": online,
        "model added to visible on the other node": models,
        "removed there to out of routing": removed,
    }


def _leaving(nodes: Nodes) -> Samples:
    ada = nodes(1, "ada")
    told: list[float] = []
    killed: list[float] = []
    restarted: list[float] = []
    bob = nodes(2, "bob", model=model_file())
    ada.pair(bob)
    until(lambda: ada.routes_to(bob))
    for _ in range(RUNS):
        begun = time.monotonic()
        bob.client.shutdown()
        told.append(_timed(functools.partial(_out, ada, bob), since=begun))
        bob = _again(nodes, ada, bob)
        begun = bob.process.kill()
        killed.append(_timed(functools.partial(_out, ada, bob), since=begun))
        bob = _again(nodes, ada, bob, restarted)
    _end(ada, bob)
    return {
        "`%bago down` to out of routing": told,
        "`kill -9` to out of routing": killed,
        "process start to routed again": restarted,
    }


def _out(ada: Node, bob: Node) -> bool:
    return not ada.routes_to(bob)


def _again(nodes: Nodes, ada: Node, bob: Node, taken: list[float] | None = None) -> Node:
    _end(bob)
    begun = time.monotonic()
    bob = nodes(2, "bob", home=bob.home.root, port=bob.port)
    until(lambda: ada.routes_to(bob), every=EVERY)
    if taken is not None:
        taken.append(time.monotonic() - begun)
    both_online(ada, bob)
    return bob


def _team(nodes: Nodes) -> Samples:
    shared = {"cluster_key": TEAM, "advertise": True}
    bob = nodes(2, "bob", model=model_file(), **shared)
    bob.client.load("smol")
    taken: list[float] = []
    begun_up: list[float] = []
    for number in range(RUNS):
        begun = time.monotonic()
        ada = nodes(1, f"ada{number}", **shared)  # a new identity each time: it has never joined
        begun_up.append(time.monotonic() - begun)
        until(lambda ada=ada: ada.routes_to(bob), every=EVERY)
        answer = ada.chat(max_tokens=1)
        if answer.status_code != 200:
            raise BenchError(f"the first routed request was answered {answer.status_code}")
        taken.append(time.monotonic() - begun)
        _end(ada)
    _end(bob)
    return {
        "process start to up": begun_up,
        "team key: process start to first routed request": taken,
    }


class _Listed:
    """Once, since it takes two minutes: two nodes of their own, beside everything else."""

    def __init__(self, nodes: Nodes):
        self._watcher = nodes(3, "watcher", advertise=True)
        self._victim = nodes(4, "victim", advertise=True)
        until(lambda: self._watcher.sees(self._victim))
        self._killed = self._victim.process.kill()
        self._gone = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def result(self) -> float:
        """Seconds until the killed node was out of the list."""
        self._thread.join(150)
        if not self._gone:
            raise BenchError("a killed node is still listed after 150 s")
        if self._gone < 80:
            raise BenchError(f"a killed node left the list after {self._gone:.0f} s already")
        return self._gone

    def _watch(self) -> None:
        with contextlib.suppress(AssertionError):
            self._gone = _timed(self._absent, 150, self._killed)

    def _absent(self) -> bool:
        time.sleep(0.2)
        return not self._watcher.sees(self._victim)


def _end(*nodes: Node) -> None:
    for node in nodes:
        node.close()


def _ms(values: list[float]) -> str:
    return " ".join(f"{value * 1000:.0f}" for value in values)


METHOD = f"""\
Hosts are network namespaces on one bridge, each with a headless node of its own (`bago-jupyter serve`);
nothing is mocked. {RUNS} rounds of each, looked at every {EVERY * 1000:.0f} ms over the node's own API, which
takes 1 to 3 ms itself. Loads of a model are not in the figures, starts of the process where the row says so.
A node that is killed leaves the discovered list 90 s after its last announcement, measured once."""

GROUP = Group(
    name="mesh",
    title="Nodes with each other",
    method=METHOD,
    bound=240,
    measure=measure,
)
