"""A server that fails faster than the others answer, and so always seems free."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import fleet
from .asking import Door, batch, span
from .group import Progress
from .lab import alone
from .processes import CLIENT_CORE, PROXY_CORE
from .results import Cell, Table, aim, figure
from .speeds import connect

REQUESTS = 300
POLICIES = ("balanced", "round-robin", "least-loaded")
AT_ONCE = (1, 8)
RUNS = 3
GOOD = fleet.Server(slots=16, speed=1000, reading=100_000)
ANSWER = 30
MOST = 5


class _Run(NamedTuple):
    got: int
    """Requests that reached the failing server."""
    failed: int
    seconds: float


def tables(progress: Progress, runs: int = RUNS, requests: int = REQUESTS) -> tuple[Table, list[list[Cell]]]:
    """A node of its own for every run, so that it knows nothing."""
    rows: list[list[Cell]] = []
    aims: list[list[Cell]] = []
    for policy in POLICIES:
        for at_once in AT_ONCE:
            ran = [_run(policy, at_once, requests) for _ in range(runs)]
            got = figure(run.got for run in ran)
            failed = figure(run.failed for run in ran)
            progress(f"{policy}, {at_once} at once: {got} of {requests} went there, {failed} failed")
            rows.append([policy, str(at_once), figure((run.seconds for run in ran), 1), got, failed])
            aims.append(aim(f"{policy}, {at_once} at once: requests to the server that fails", got, MOST))
    columns = ["policy", "at once", "seconds", "requests that it got", "requests that failed"]
    return Table(
        caption=f"One of three servers answers 503 in 1 ms; {requests} requests", columns=columns, rows=rows
    ), aims


def _run(policy: str, at_once: int, requests: int) -> _Run:
    servers = [fleet.Server(fails=True), GOOD, GOOD]  # of equals the first is asked first
    with (
        fleet.running(servers, core=CLIENT_CORE) as urls,
        alone(core=PROXY_CORE, policy=policy) as client,
    ):
        connect(client, urls, [GOOD.slots] * 3)
        body: dict[str, Any] = {
            "model": fleet.MODEL,
            "messages": [{"role": "user", "content": "Say something."}],
            "max_tokens": ANSWER,
        }
        replies = batch(Door(client.url), [body] * requests, at_once)
        failed = sum(reply.outcome != "ok" for reply in replies)
        return _Run(fleet.asked(urls[0]), failed, span(replies))
