"""One machine four times as fast as the other: how near a batch comes to the best that both can do."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from bago_jupyter.client import NodeClient

from . import fleet
from .asking import Door, batch, need, span
from .group import Progress
from .lab import alone, until
from .processes import CLIENT_CORE, PROXY_CORE
from .results import Cell, Table, aim, figure

POLICIES = ("balanced", "round-robin", "least-loaded")
REQUESTS = 200
RUNS = 4
SLOTS = 4
SLOW = fleet.Server(slots=SLOTS, speed=400, reading=4000, burst=5)
FAST = fleet.Server(slots=SLOTS, speed=4 * SLOW.speed, reading=4 * SLOW.reading, burst=20)
PROMPTS = (50, 2000)
ANSWERS = (10, 400)
MOST = 1.15
Job = tuple[int, int]
"""Tokens of the prompt and of the answer."""


def connect(client: NodeClient, urls: Sequence[str], slots: Sequence[int]) -> None:
    """Connect a node with servers of the fleet, and wait until it routes to all of them."""
    for number, (url, count) in enumerate(zip(urls, slots, strict=True)):
        client.add_connection(f"server{number}", url=url, slots=count)
    until(lambda: all(entry.health == "healthy" for entry in client.connections()))


def jobs(count: int, seed: int) -> list[Job]:
    """The mixed requests, the same for the same seed."""
    draw = random.Random(seed)
    return [(draw.randint(*PROMPTS), draw.randint(*ANSWERS)) for _ in range(count)]


def bound(batch: Sequence[Job]) -> float:
    """Seconds that no schedule beats: all the work over all slots, or the longest job in a fast one."""
    work = sum(SLOW.seconds(*job) for job in batch)
    return max(work / (SLOTS + 4 * SLOTS), max(FAST.seconds(*job) for job in batch))


def scheduled(batch: Sequence[Job]) -> float:
    """Seconds of a good schedule that knows every length: the longest first, each where it ends first."""
    free = [(0.0, FAST)] * SLOTS + [(0.0, SLOW)] * SLOTS
    for job in sorted(batch, key=lambda job: -SLOW.seconds(*job)):
        at = min(range(len(free)), key=lambda slot: free[slot][0] + free[slot][1].seconds(*job))
        free[at] = (free[at][0] + free[at][1].seconds(*job), free[at][1])
    return max(at for at, _ in free)


def tables(progress: Progress, runs: int = RUNS, requests: int = REQUESTS) -> tuple[Table, list[list[Cell]]]:
    """Each policy with a node of its own; its first batch, before anything was measured, stands apart."""
    rows: list[list[Cell]] = []
    aims: list[list[Cell]] = []
    for bounded in (True, False):
        for policy in POLICIES if bounded else POLICIES[:1]:
            ratios, over = _run(policy, runs, requests, bounded)
            named = "told by `max_tokens`" if bounded else "not told"
            progress(f"{policy}, lengths {named}: {' '.join(f'{ratio:.3f}' for ratio in ratios)}")
            later = figure(ratios[1:], 3)
            rows.append([policy, named, figure(ratios[:1], 3), later, figure(over, 3)])
            if policy == "balanced":
                aims.append(aim(f"balanced, lengths {named}: time, of the bound", later, MOST))
    columns = [
        "policy",
        "lengths of answers",
        "first batch, of the bound",
        "later batches, of the bound",
        "the same, of the longest-first schedule",
    ]
    caption = f"{requests} requests at once over one server and one of four times its speed"
    return Table(caption=caption, columns=columns, rows=rows), aims


def _run(policy: str, runs: int, requests: int, bounded: bool) -> tuple[list[float], list[float]]:
    """Seconds of every batch over its bound, and of all but the first over the schedule."""
    ratios: list[float] = []
    over: list[float] = []
    with (
        fleet.running([SLOW, FAST], core=CLIENT_CORE) as urls,
        alone(core=PROXY_CORE, policy=policy) as client,
    ):
        connect(client, urls, [SLOTS, SLOTS])
        for number in range(runs + 1):
            wanted = jobs(requests, number)
            replies = batch(Door(client.url), [_body(job, bounded) for job in wanted], requests)
            need(replies, policy)
            ratios.append(span(replies) / bound(wanted))
            if number:
                over.append(span(replies) / scheduled(wanted))
    return ratios, over


def _body(job: Job, bounded: bool) -> dict[str, Any]:
    prompt, answer = job
    text = random.Random(prompt * 1000 + answer).randbytes(prompt * fleet.BYTES_PER_TOKEN // 2).hex()
    return {
        "model": fleet.MODEL,
        "messages": [{"role": "user", "content": text}],
        "stream": True,
        "stream_options": {"include_usage": True},
        **({"max_tokens": answer} if bounded else {"length": answer}),
    }
