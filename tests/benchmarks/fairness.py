"""Two callers at one runner: hundreds of requests of one, a single one of the other."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bago_jupyter.client import NodeClient

from .asking import Door, Reply, ask, need
from .group import BenchError, Progress
from .lab import alone, model_file, until
from .results import Cell, Table, aim, figure

QUEUED = 200
SINGLES = 12
RUNS = 1
SLOTS = 4
CROWD_TOKENS = 48
TOKENS = 8
MOST = 2.0
CROWD_WORDS = 60
WORDS = 120
"""Words of a prompt; no two prompts begin alike."""
GAP = 0.3
"""Seconds between two single requests."""


def tables(progress: Progress, runs: int = RUNS) -> tuple[Table, list[list[Cell]]]:
    """A node of its own for every run: the other caller's first request is one that it cannot foresee."""
    idle: list[float] = []
    first: list[float] = []
    busy: list[float] = []
    for number in range(runs):
        with alone(model=model_file(), slots=SLOTS, context_length=1024, max_queue=2 * QUEUED) as client:
            client.load("smol")
            before, unknown, during = _run(client, number)
        idle += before
        first.append(unknown)
        busy += during
        told = f"idle {figure(before)} ms, the first {unknown:.0f} ms, later {figure(during)} ms"
        progress(f"run {number + 1}/{runs}: {told}")
    mean = figure(idle).median
    later = figure([ms / mean for ms in busy], 2)
    rows: list[list[Cell]] = [
        ["nobody else asks", figure(idle), "1"],
        [
            f"{QUEUED} requests of another wait, and this caller was never seen",
            figure(first),
            figure([ms / mean for ms in first], 2),
        ],
        ["the same, from its second request on", figure(busy), later],
    ]
    caption = f"A single request beside {QUEUED} of another caller"
    shown = Table(caption=caption, columns=["", "ms to the first token", "ratio to the idle one"], rows=rows)
    return shown, [aim("a single request's time to the first token, of the idle one", later, MOST)]


def _run(client: NodeClient, seed: int) -> tuple[list[float], float, list[float]]:
    """Milliseconds to the first token: idle, of the first beside the crowd, of the later ones."""
    crowd = Door(client.url, {"x-bago-caller": "crowd"})
    single = Door(client.url, {"x-bago-caller": "single"})
    idle = [_first(ask(crowd, _body(f"idle {seed} {n}", WORDS, TOKENS))) for n in range(SINGLES + 2)][2:]
    with ThreadPoolExecutor(QUEUED) as pool:
        asked = [
            pool.submit(ask, crowd, _body(f"crowd {seed} {n}", CROWD_WORDS, CROWD_TOKENS))
            for n in range(QUEUED)
        ]
        until(lambda: client.status().requests.in_flight >= QUEUED)
        unknown = _first(ask(single, _body(f"first {seed}", WORDS, TOKENS)))
        later = []
        for number in range(SINGLES):
            time.sleep(GAP)
            later.append(_first(ask(single, _body(f"later {seed} {number}", WORDS, TOKENS))))
        waiting = sum(not one.done() for one in asked)
        if waiting < 2 * SLOTS:
            raise BenchError(f"only {waiting} requests of the crowd were left in the end")
        client.shutdown()  # which ends what is left of the crowd
    return idle, unknown, later


def _first(reply: Reply) -> float:
    need([reply], "a single request")
    return (reply.token - reply.began) * 1000


def _body(start: str, words: int, tokens: int) -> dict[str, Any]:
    text = f"{start}: " + " ".join(f"word{n % 10}" for n in range(words // 2))
    return {
        "model": "smol",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "ignore_eos": True,
        "stream": True,
    }
