"""What one decision costs, in a mesh far larger than any that was tried."""

from __future__ import annotations

import itertools
import random
import time
import tracemalloc
from collections.abc import Callable

from bago_jupyter.backends.base import Request
from bago_jupyter.backends.records import Records
from bago_jupyter.router import (
    Affinity,
    Breakers,
    Inputs,
    Load,
    Offer,
    Plan,
    Shape,
    Table,
    plan,
    prefix_of,
    survey,
)
from bago_jupyter.statistics.collector import Collector
from bago_jupyter.wire import Attempt

from .group import Progress
from .processes import PROXY_CORE, pinned
from .results import Cell, Figure, aim, figure
from .results import Table as Shown

BACKENDS = 1000
MODELS = 10
CANDIDATES = (1, 10, 100, 1000)
RUNS = 9
WORK = 50_000
"""Candidates looked at in one run."""
PROMPT = 8192
"""Bytes of the prompt, which the affinity looks up in blocks."""
GROWTH = 1.2
KEPT = 1000


def tables(progress: Progress, runs: int = RUNS) -> tuple[list[Shown], list[list[Cell]]]:
    """On one core, nothing else running there."""
    with pinned(PROXY_CORE):
        whole = _World(BACKENDS)
        rows: list[list[Cell]] = []
        each: dict[int, Figure] = {}
        over: dict[int, Figure] = {}
        for count in CANDIDATES:
            own = _World(count, only=count)
            samples, ratios = [], []
            for _ in range(runs):
                here = _timed(whole.decide, f"of{count}", max(20, WORK // count))
                there = _timed(own.decide, f"of{count}", max(20, WORK // count))
                samples.append(here)
                ratios.append(here / there)
            each[count] = figure(samples, 1)
            over[count] = figure(ratios, 2)
            progress(f"{count} candidates: {each[count]} us, {over[count]} of that in a table of their own")
            rows.append([str(count), each[count], figure([s / count for s in samples], 2), over[count]])
        around = _around(runs)
    columns = [
        "backends that have the model",
        "us per decision",
        "us per candidate",
        "ratio to a table of only these",
    ]
    caption = f"`survey()` and `plan()`, {BACKENDS:,} backends with {MODELS} models each"
    most = CANDIDATES[-1]
    growth = figure([each[most].median / each[1].median / most], 2)
    aims = [
        aim("a decision over 1 candidate, of that in a table of its own", over[1], GROWTH),
        aim(f"us per candidate at {most:,}, of that at 1", growth, 1),
    ]
    shown = [
        Shown(caption=caption, columns=columns, rows=rows),
        Shown(
            caption="What is kept of a request with 3 candidates", columns=["us", "per request"], rows=around
        ),
    ]
    return shown, aims


class _World:
    """A catalogue of ``backends``, busy and measured; the model ``of10`` is on ten of them, and so on."""

    def __init__(self, backends: int, only: int = 0):
        draw = random.Random(4)
        offers: list[Offer] = []
        for number in range(backends):
            names = [f"of{count}" for count in CANDIDATES if number < count and only in (0, count)]
            if not only:
                names += [f"model{number}x{n}" for n in range(MODELS - len(names))]
            offers += [_offer(f"peer:{number:08x}", f"node{number}", name) for name in names]
        self.table = Table(offers)
        self.loads = {(offer.backend, offer.model): _load(draw) for offer in offers}
        self.latencies = {offer.backend: draw.uniform(0.0005, 0.02) for offer in offers}
        self.breakers = Breakers()
        self.breakers.failed("peer:gone", "of1", 0.0, "gone", "refused")
        self.affinity = Affinity()
        self.prefix = prefix_of(draw.randbytes(PROMPT))
        for offer in offers[:: MODELS * 3]:
            self.affinity.remember(
                offer.backend, offer.model, self.prefix[: draw.randint(1, len(self.prefix))]
            )

    def decide(self, model: str) -> tuple[Inputs, Plan]:
        """As the dispatcher does."""
        shape = Shape(model=model, prompt_tokens=PROMPT // 4, max_tokens=128, prefix=self.prefix)
        rows = survey(
            self.table,
            shape,
            loads=self.loads,
            breakers=self.breakers,
            affinity=self.affinity,
            latencies=self.latencies,
            now=time.monotonic(),
        )
        inputs = Inputs(shape, rows)
        return inputs, plan(inputs)


def _around(runs: int) -> list[list[Cell]]:
    """The record of a decision, its statistics, and the memory of those that are kept."""
    world = _World(10)
    inputs, chosen = world.decide("of10")
    inputs = Inputs(inputs.shape, inputs.rows[:3])
    chosen = plan(inputs)
    records, collector = Records(), Collector()
    number = itertools.count()

    def record(_: str) -> None:
        request = Request(id=f"req_{next(number):x}", path=b"/v1/chat/completions", body=b"")
        decision = records.begin(request, inputs.shape, "balanced")
        records.decided(request.id, inputs, chosen)
        decision.attempts.append(
            Attempt(
                backend="peer:00000001", node="node1", model="of10", started=0.0, first_byte=0.1, ended=1.0
            )
        )
        decision.prompt_tokens, decision.completion_tokens = 2048, 128
        records.over(decision, 1.0, 200, "ok")

    record("")
    decision = records.latest()[0]
    kept = figure((_timed(record, "", 5000) for _ in range(runs)), 1)
    counted = figure((_timed(lambda _: collector.record(decision), "", 5000) for _ in range(runs)), 1)
    return [
        ["its record", kept],
        ["its statistics", counted],
        [f"bytes of its record, of the {KEPT:,} that are kept", figure([_bytes(world, "of10", 3)])],
    ]


def _bytes(world: _World, model: str, candidates: int) -> float:
    """What one record holds on to."""
    records = Records()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(KEPT):
        request = Request(id=f"req_{number:x}", path=b"/v1/chat/completions", body=b"")
        inputs, _ = world.decide(model)
        inputs = Inputs(inputs.shape, inputs.rows[:candidates])
        decision = records.begin(request, inputs.shape, "balanced")
        records.decided(request.id, inputs, plan(inputs))
        records.over(decision, 1.0, 200, "ok")
        del request, inputs, decision
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held / KEPT


def _timed(function: Callable[[str], object], argument: str, times: int) -> float:
    """Microseconds of one call."""
    begin = time.perf_counter()
    for _ in range(times):
        function(argument)
    return (time.perf_counter() - begin) / times * 1e6


def _offer(backend: str, node: str, model: str) -> Offer:
    return Offer(
        backend=backend,
        node=node,
        model=model,
        tasks=frozenset({"generate"}),
        peer=True,
        slots=4,
        context_length=8192,
    )


def _load(draw: random.Random) -> Load:
    load = Load(speed=draw.uniform(5, 200))
    for _ in range(draw.randint(0, 6)):
        load.reserve(draw.randint(50, 500), draw.randint(1, 1000))
    return load
