"""A real model through the node's API, and the same runner asked directly."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from . import host
from .group import BenchError, Group, Progress
from .results import Cell, Table, aim, aims, figure

TOKENS = 128
CALLERS = (1, 4)
PAIRS = 7
CANCELS = 10
ANSWER_SECONDS = 60

_PROMPT = (
    "You are the guide of a small museum of clocks. Tell a visitor who has ten minutes what to look at "
    "first, how a pendulum keeps time, and why sailors needed a better clock than that."
)


@dataclass
class Case:
    """Rounds of one way to ask, in the order of the pairs."""

    speed: list[float] = field(default_factory=list)
    """Tokens per second of all callers together."""
    first: list[float] = field(default_factory=list)
    """Milliseconds to the first token, the median of the callers."""


def measure(progress: Progress) -> list[Table]:
    """Pairs of rounds, direct and through the API, whichever comes first changing from pair to pair."""
    progress("loading the model")
    with host.loaded(max(CALLERS), progress) as model:
        ways = {"runner": model.runner, "node": model.node}
        cases = {callers: {way: Case() for way in ways} for callers in CALLERS}
        for callers in CALLERS:
            progress(f"warming up with {callers} caller{'s' * (callers > 1)}")
            for url in ways.values():
                _ask(url, model, callers)  # afterwards every slot has the prompt in its cache
            for number in range(PAIRS):
                order = list(ways) if number % 2 else list(ways)[::-1]
                for way in order:
                    _round(cases[callers][way], ways[way], model, callers)
                last = {way: cases[callers][way].speed[-1] for way in ways}
                progress(
                    f"pair {number + 1}/{PAIRS}, {callers} caller{'s' * (callers > 1)}:"
                    f" {last['node']:.1f} tokens/s, asked directly {last['runner']:.1f}"
                )
        freed = []
        for number in range(CANCELS):
            freed.append(_cancel(model))
            progress(f"cancel {number + 1}/{CANCELS}: the slot was free after {freed[-1]:.0f} ms")
    return [_table(cases), _cancel_table(freed), _aims(cases, freed)]


def _cancel(model: host.Loaded) -> float:
    """Milliseconds from the closed connection of a streaming client to the runner's free slot."""
    with _connection(model.node) as connection:
        body = {"model": model.model, "messages": [{"role": "user", "content": _PROMPT}], "stream": True}
        request = json.dumps({**body, "max_tokens": 4000, "ignore_eos": True})
        connection.request("POST", "/v1/chat/completions", request, {"content-type": "application/json"})
        response = connection.getresponse()
        for _ in range(20):
            response.readline()
        while not _busy(model):
            time.sleep(0.01)
        response.close()
    begin = time.perf_counter()
    while _busy(model):
        if time.perf_counter() - begin > ANSWER_SECONDS:
            raise BenchError("the slot was not freed")
        time.sleep(0.005)
    return (time.perf_counter() - begin) * 1000


def _busy(model: host.Loaded) -> bool:
    with _connection(model.runner) as connection:
        connection.request("GET", "/slots", headers=model.headers)
        return any(slot["is_processing"] for slot in json.load(connection.getresponse()))


def _round(case: Case, url: str, model: host.Loaded, callers: int) -> None:
    speed, first = _ask(url, model, callers)
    case.speed.append(speed)
    case.first.append(first)


def _ask(url: str, model: host.Loaded, callers: int) -> tuple[float, float]:
    """Tokens per second of ``callers`` side by side, and the median time to the first token in ms."""
    gate = threading.Barrier(callers)
    with ThreadPoolExecutor(callers) as pool:
        answers = list(pool.map(lambda _: _answer(url, model, gate), range(callers)))
    begin = min(begin for begin, _, _ in answers)
    end = max(end for _, _, end in answers)
    first = figure((first - begin) * 1000 for begin, first, _ in answers)
    return callers * TOKENS / (end - begin), first.median


def _answer(url: str, model: host.Loaded, gate: threading.Barrier) -> tuple[float, float, float]:
    """When the request left, when the first token came and when the last did."""
    body = {
        "model": model.model,
        "messages": [{"role": "user", "content": _PROMPT}],
        "max_tokens": TOKENS,
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    gate.wait(ANSWER_SECONDS)
    with _connection(url) as connection:
        begin = time.perf_counter()
        headers = {"content-type": "application/json", **(model.headers if url == model.runner else {})}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != 200:
            raise BenchError(f"{url} answered {response.status}: {response.read(300).decode()}")
        first = end = 0.0
        tokens = 0
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            end = time.perf_counter()
            event = json.loads(line[6:])
            if "error" in event:
                raise BenchError(f"{url} broke off: {event['error']}")
            if not first and any(choice["delta"].get("content") for choice in event.get("choices", ())):
                first = end
            tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
    if tokens != TOKENS:
        raise BenchError(f"{url} made {tokens} tokens instead of {TOKENS}")
    return begin, first, end


@contextmanager
def _connection(url: str) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port, timeout=ANSWER_SECONDS)
    if parts.scheme == "unix":
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(parts.path)
    try:
        yield connection
    finally:
        connection.close()


def _ratios(cases: dict[str, Case]) -> list[float]:
    return [n / r for n, r in zip(cases["node"].speed, cases["runner"].speed, strict=True)]


def _table(cases: dict[int, dict[str, Case]]) -> Table:
    rows: list[list[Cell]] = []
    for callers, ways in cases.items():
        runner, node = ways["runner"], ways["node"]
        added = [n - r for n, r in zip(node.first, runner.first, strict=True)]
        rows.append(
            [
                str(callers),
                figure(runner.speed, 1),
                figure(node.speed, 1),
                figure(_ratios(ways), 3),
                figure(runner.first, 1),
                figure(added, 1),
            ]
        )
    columns = [
        "callers",
        "runner itself, tokens/s",
        "through the node, tokens/s",
        "ratio",
        "runner's first token, ms",
        "added, ms",
    ]
    return Table(caption=f"{host.STARTER}, {TOKENS} tokens an answer", columns=columns, rows=rows)


def _cancel_table(freed: list[float]) -> Table:
    rows: list[list[Cell]] = [["closed connection to free slot", figure(freed, 0)]]
    return Table(
        caption=f"{CANCELS} answers given up in the middle", columns=["ms", "through the node"], rows=rows
    )


def _aims(cases: dict[int, dict[str, Case]], freed: list[float]) -> Table:
    rows = [aim("slowest of the cancelled, ms to a free slot", figure([max(freed)], 0), 1000)]
    for callers, ways in cases.items():
        what = f"tokens/s at {callers} caller{'s' * (callers > 1)}, of the runner's"
        rows.append(aim(what, figure(_ratios(ways), 3), 0.97, at_most=False))
    return aims(rows)


METHOD = f"""\
SmolLM2-135M-Instruct in a runner of the node, streamed chat completions of exactly {TOKENS} tokens at
temperature 0, prompt already in the cache; through the node's API and to the runner's own port in turn.
Nothing is pinned. Tokens/s count from the first request to the last token."""

GROUP = Group(
    name="model",
    title="A real model",
    method=METHOD,
    bound=240,
    measure=measure,
)
