"""Long chats over two nodes: how much of a prompt is read again that one of them had read before."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import Any, NamedTuple

from .asking import Door, ask, need
from .group import Progress
from .lab import Node, model_file, nodes_on, until
from .results import Cell, Table, aim, figure

POLICIES = ("round-robin", "balanced")
RUNS = 1
SLOTS = 2
CONTEXT = 8192
MOST = 0.25


class Kind(NamedTuple):
    """How many chats, side by side in a random order, each of so many turns."""

    chats: int
    turns: int
    tokens: int
    """Of an answer."""


KINDS = (Kind(1, 50, 64),)
_SYSTEM = "You are the patient guide of a museum. Answer in plain words and stay with what was asked."
_ASKED = (
    "And then?",
    "Why is that so?",
    "Who found that out, and how?",
    "Give me an example of it.",
    "What else?",
)
_TOPICS = ("clocks", "volcanoes", "bridges", "whales")


class _Chat:
    def __init__(self, topic: str):
        self.messages = [{"role": "system", "content": f"{_SYSTEM} Today it is about {topic}."}]
        self.turn = 0

    def ask(self, door: Door, tokens: int) -> tuple[int, int]:
        """One turn; tokens of the prompt that were read, and those that were not read again."""
        self.messages.append({"role": "user", "content": f"({self.turn}) {_ASKED[self.turn % len(_ASKED)]}"})
        self.turn += 1
        body: dict[str, Any] = {
            "model": "smol",
            "messages": self.messages,
            "max_tokens": tokens,
            "ignore_eos": True,
            "temperature": 0,
        }
        reply = ask(door, body)
        need([reply], "a turn of a chat")
        self.messages.append(reply.body["choices"][0]["message"])
        return reply.body["timings"]["prompt_n"], reply.body["timings"]["cache_n"]


class _Run(NamedTuple):
    read: int
    cached: int
    seconds: float


def tables(progress: Progress, runs: int = RUNS) -> tuple[Table, list[list[Cell]]]:
    """The same chats under either policy, with models loaded anew before each."""
    rows: list[list[Cell]] = []
    aims: list[list[Cell]] = []
    with nodes_on(2) as nodes:
        ada = nodes(1, "ada", model=model_file(), slots=SLOTS, context_length=CONTEXT, idle_unload=0)
        bob = nodes(2, "bob", model=model_file(), slots=SLOTS, context_length=CONTEXT, idle_unload=0)
        ada.pair(bob)
        door = Door(ada.client.url, inside=partial(nodes.lan.inside, 1))
        for kind in KINDS:
            ratios: list[float] = []
            for number in range(runs):
                done = {policy: _run(ada, bob, door, kind, policy, number) for policy in POLICIES}
                base = done[POLICIES[0]].read
                for policy, run in done.items():
                    told = f"{run.read:,} read, {run.cached:,} not again, {run.seconds:.0f} s"
                    progress(f"{_named(kind)}, {policy}: {told}")
                ratios.append(done["balanced"].read / base)
            for policy, run in done.items():
                ratio = figure(ratios, 2) if policy == "balanced" else "1"
                rows.append([_named(kind), policy, f"{run.read + run.cached:,}", f"{run.read:,}", ratio])
            aims.append(aim(f"{_named(kind)}: prompt tokens read, of round-robin's", figure(ratios, 2), MOST))
    columns = ["chats", "policy", "prompt tokens", "read", "ratio"]
    return Table(caption="Prompt tokens read over two nodes", columns=columns, rows=rows), aims


def _named(kind: Kind) -> str:
    return f"{kind.chats} of {kind.turns} turns"


def _run(ada: Node, bob: Node, door: Door, kind: Kind, policy: str, seed: int) -> _Run:
    for node in (ada, bob):
        node.client.unload("smol")
        node.client.load("smol")
    ada.client.configure(policy=policy)
    ada.client.remove_node("bob")  # and with it what is remembered of the prompts that bob has read
    until(lambda: not bob.paired(ada))
    ada.pair(bob)
    until(lambda: ada.routes_to(bob) and ada.routes_to(ada))
    draw = random.Random(seed)
    chats = [_Chat(f"{_TOPICS[n]} {policy} {seed}") for n in range(kind.chats)]
    order = [chat for chat in chats for _ in range(kind.turns)]
    draw.shuffle(order)
    read = cached = 0
    begun = time.monotonic()
    for chat in order:
        fresh, known = chat.ask(door, kind.tokens)
        read += fresh
        cached += known
    return _Run(read, cached, time.monotonic() - begun)
