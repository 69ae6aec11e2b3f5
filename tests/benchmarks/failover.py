"""A batch over two nodes, one of which freezes: what that costs whoever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

from .asking import Door, Reply, batch, need, span
from .group import Group, Progress
from .lab import Node, model_file, nodes_on, until
from .results import Cell, Table, aim, aims, figure

REQUESTS = 24
TOKENS = 64
SLOTS = 2
RUNS = 3
WARM = 4
MIDDLE = 0.3
"""Share of the single node's time after which the other is frozen, where that is in the middle."""
MOST = 1.2
When = Literal["just before", "in the middle"]

_TOPICS = ("clocks", "bridges", "volcanoes", "tea", "maps", "whales", "printing", "glass", "salt", "kites")


class Way(NamedTuple):
    """How the batch is sent."""

    policy: str
    at_once: int
    stream: bool
    when: tuple[When, ...]


BATCH = (
    Way("balanced", 4, False, ("just before", "in the middle")),
    Way("balanced", 4, True, ("in the middle",)),
)
ONE_BY_ONE = (Way("round-robin", 1, False, ("just before", "in the middle")),)


@dataclass
class Case:
    """The runs of one row."""

    alone: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    there: list[float] = field(default_factory=list)
    """Requests that were sent to the frozen node, some of them by two attempts."""
    broken: list[float] = field(default_factory=list)
    """Streams that had begun on it."""
    failed: list[float] = field(default_factory=list)


def measure(ways: Sequence[Way], progress: Progress, runs: int = RUNS) -> list[Table]:
    """Every way in turn, each run next to one that only the first node's own runner answers."""
    cases: dict[tuple[Way, When], Case] = {(way, when): Case() for way in ways for when in way.when}
    with nodes_on(2) as nodes:
        ada = nodes(1, "ada", model=model_file(), slots=SLOTS, idle_unload=0)
        bob = nodes(2, "bob", model=model_file(), slots=SLOTS, idle_unload=0)
        ada.client.load("smol")
        bob.client.load("smol")
        door = Door(ada.client.url, inside=partial(nodes.lan.inside, 1))
        for number in range(runs):
            single: dict[int, float] = {}
            for way, when in cases:
                ada.client.configure(policy=way.policy)
                _meet(ada, bob, door)
                if way.at_once not in single:
                    replies = batch(door, _bodies(number, False, "ada/smol"), way.at_once)
                    need(replies, "one node alone")
                    single[way.at_once] = span(replies)
                took = single[way.at_once]
                with _frozen(bob, MIDDLE * took if when == "in the middle" else 0.0):
                    replies = batch(door, _bodies(number, way.stream, "smol"), way.at_once)
                _count(cases[way, when], replies, took, ada)
                progress(f"{_named(way)}, frozen {when}: {_told(cases[way, when])}")
    return _shown(cases)


def _named(way: Way) -> str:
    return f"{way.policy}, {way.at_once} at once{', streamed' if way.stream else ''}"


def _told(case: Case) -> str:
    times = f"{case.seconds[-1]:.1f} s, one node {case.alone[-1]:.1f} s"
    return f"{times}; {case.failed[-1]:.0f} failed, {case.broken[-1]:.0f} broken"


def _bodies(seed: int, stream: bool, model: str) -> list[dict[str, Any]]:
    return [_body(seed * REQUESTS + number, TOKENS, stream, model) for number in range(REQUESTS)]


def _body(number: int, tokens: int, stream: bool, model: str) -> dict[str, Any]:
    text = f"Question {number}: what should everybody know of {_TOPICS[number % len(_TOPICS)]}, and why?"
    return {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "ignore_eos": True,
        "temperature": 0,
        "stream": stream,
    }


@contextmanager
def _frozen(node: Node, delay: float) -> Iterator[None]:
    """SIGSTOP for ``node`` and its runner, after ``delay`` seconds, and SIGCONT in the end."""
    if not delay:
        node.process.freeze()
    timer = threading.Timer(delay, node.process.freeze) if delay else None
    if timer is not None:
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
            timer.join()
        node.process.thaw()


def _count(case: Case, replies: list[Reply], single: float, ada: Node) -> None:
    case.seconds.append(span(replies))
    case.alone.append(single)
    case.ratios.append(span(replies) / single)
    case.broken.append(sum(reply.outcome == "told" for reply in replies))
    case.failed.append(sum(reply.outcome in ("failed", "cut") for reply in replies))
    decisions = ada.client.decisions(REQUESTS)
    lost = [d for d in decisions if any(a.node == "bob" and a.outcome != "ok" for a in d.attempts)]
    case.there.append(len(lost))


def _meet(ada: Node, bob: Node, door: Door) -> None:
    """Pair anew: of a node that froze before, more is put up with. Then let each answer a few times."""
    until(lambda: not any(slot.busy for slot in bob.client.slots("smol")), every=0.5)
    if ada.paired(bob):
        ada.client.remove_node("bob")
        until(lambda: not bob.paired(ada))
    ada.pair(bob)
    until(lambda: ada.routes_to(bob))
    for model in ("ada/smol", "bob/smol"):
        for stream in (False, True):
            need(batch(door, [_body(n, 16, stream, model) for n in range(WARM)], SLOTS), "warming up")


def _shown(cases: dict[tuple[Way, When], Case]) -> list[Table]:
    rows: list[list[Cell]] = []
    limits: list[list[Cell]] = []
    for (way, when), case in cases.items():
        sent = _named(way)
        ratio = figure(case.ratios, 2)
        rows.append(
            [
                sent,
                when,
                figure(case.alone, 1),
                figure(case.seconds, 1),
                ratio,
                figure(case.there),
                figure(case.broken),
                figure(case.failed),
            ]
        )
        limits.append(aim(f"{sent}, frozen {when}: of the single node's time", ratio, MOST))
    worst = figure([max(failed for case in cases.values() for failed in case.failed)])
    limits.append(aim("requests without a first byte that failed, the most of any run", worst, 0))
    columns = [
        "sent",
        "the other freezes",
        "one node alone, s",
        "with the other, s",
        "ratio",
        "requests caught there",
        "streams broken with an error event",
        "failed",
    ]
    caption = f"{REQUESTS} requests of {TOKENS} tokens over two nodes, one of them frozen"
    return [Table(caption=caption, columns=columns, rows=rows), aims(limits)]


METHOD = f"""\
Two hosts (network namespaces), each with a node and SmolLM2-135M in llama.cpp, {SLOTS} slots; a client on
the first host asks its own node for everything. The second host's node and runner are stopped with
SIGSTOP right before the first request, which nobody can know yet, or after {MIDDLE:.0%} of the time that
the batch takes on the first node's own runner alone. That time is measured in turn, once a round for each
number of requests at once. The nodes are paired anew before each batch and have answered {WARM} requests
of each kind. Only a stream whose first byte had come may break, and must say so in an error event; those
are counted apart. A runner leaves a core to others, so until it freezes the second node adds speed."""

GROUP = Group(
    name="failover",
    title="A node that freezes",
    method=METHOD,
    bound=420,
    measure=partial(measure, BATCH),
)

ONE = Group(
    name="failover-one",
    title="A node that freezes, and one request at a time",
    method="""\
The same, for a client that waits for each answer before it asks again. The policy is `round-robin`, since
`balanced` would not ask the second node for anything.""",
    bound=420,
    measure=partial(measure, ONE_BY_ONE),
)
