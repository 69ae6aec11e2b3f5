"""Small requests through the node, beside nginx, vLLM's router and LiteLLM."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from . import host, litellm, nginx, vllm_router, wrk
from .environment import INSTALL_SECONDS, environment
from .group import BenchError, Group, Progress
from .processes import cpu_seconds
from .results import Cell, Figure, Table, aim, aims, figure

CALLERS = (1, 16, 64)
ROUNDS = 3
SECONDS = 3

DIRECT = "direct"
NGINX = "nginx"
NODE = "this node"
AIMED = (16, 64)
LIMIT = 3.5
"""CPU time of a small request over nginx's, with so many callers."""
TARGET = 3


@dataclass
class Contender:
    """Something that stands between the client and the mock."""

    label: str
    port: int
    pid: int | None = None
    samples: dict[int, list[wrk.Sample]] = field(default_factory=dict)
    cpu: dict[int, list[float]] = field(default_factory=dict)
    """CPU seconds per 1,000 requests, by the number of callers."""
    ratios: dict[int, list[float]] = field(default_factory=dict)
    """The same over nginx's, which ran just before."""


Proxy = Callable[[Path, int], AbstractContextManager[tuple[Popen[bytes], int]]]
GATEWAYS: list[tuple[str, str, str, Proxy]] = [
    ("vllm-router", vllm_router.NAME, vllm_router.NAME, vllm_router.proxy),
    ("LiteLLM", litellm.NAME, litellm.REQUIREMENT, litellm.proxy),
]
"""Label, distribution, what pip installs, and how it starts."""


def measure(progress: Progress) -> list[Table]:
    """Every contender at every number of callers, in turn, three rounds; before each of them nginx."""
    with ExitStack() as stack:
        mock = stack.enter_context(nginx.static())
        direct = Contender(DIRECT, mock)
        process, port = stack.enter_context(nginx.proxy(mock))
        beside = Contender(NGINX, port, process.pid)
        process, port = stack.enter_context(host.node(mock))
        node = Contender(NODE, port, process.pid)
        others: dict[str, Contender] = {}
        absent: dict[str, str] = {}
        for label, name, requirement, proxy in GATEWAYS:
            try:
                programs, version = environment(name, requirement, progress)
                progress(f"starting {label}")
                process, port = stack.enter_context(proxy(programs, mock))
                others[label] = Contender(f"{label} {version}", port, process.pid)
            except BenchError as error:
                progress(f"without {label}: {error}")
                absent[label] = f"not there: {error}"
        paired = [node, *others.values()]
        for contender in (direct, beside, *paired):
            wrk.run(contender.port, 4, SECONDS)  # warm-up
        for number in range(1, ROUNDS + 1):
            for callers in CALLERS:
                _run(direct, callers, number, progress)
                for contender in paired:
                    _run(beside, callers, number, progress)
                    _run(contender, callers, number, progress)
                    ratio = contender.cpu[callers][-1] / beside.cpu[callers][-1]
                    contender.ratios.setdefault(callers, []).append(ratio)
    tables = [_table(callers, direct, [beside, *paired], absent) for callers in CALLERS]
    return [*tables, _aims(node, others.get("vllm-router"))]


def _run(contender: Contender, callers: int, number: int, progress: Progress) -> None:
    before = cpu_seconds(contender.pid) if contender.pid else 0.0
    sample = wrk.run(contender.port, callers, SECONDS)
    if contender.pid:
        used = cpu_seconds(contender.pid) - before
        contender.cpu.setdefault(callers, []).append(used / sample.requests * 1000)
    contender.samples.setdefault(callers, []).append(sample)
    progress(
        f"round {number}/{ROUNDS}, {callers:2} callers, {contender.label:18}"
        f" {sample.rate:9,.0f} requests/s, p99 {sample.p99:9,.0f} us"
    )


def _table(callers: int, direct: Contender, contenders: list[Contender], absent: dict[str, str]) -> Table:
    alone = direct.samples[callers]
    p50, p99 = (_latency(alone, lambda s: s.p50), _latency(alone, lambda s: s.p99))
    rate = figure(s.rate for s in alone)
    rows: list[list[Cell]] = [
        [_label(direct, alone), rate, "1", f"(itself {p50})", f"(itself {p99})", "", ""]
    ]
    for contender in contenders:
        samples = contender.samples[callers]
        turns = len(samples) // len(alone)  # nginx runs more than once a round
        pairs = [(sample, alone[number // turns]) for number, sample in enumerate(samples)]
        rows.append(
            [
                _label(contender, samples),
                figure(s.rate for s in samples),
                figure((s.rate / d.rate for s, d in pairs), 3),
                figure(s.p50 - d.p50 for s, d in pairs),
                figure(s.p99 - d.p99 for s, d in pairs),
                figure(contender.cpu[callers], 3),
                _ratio(contender, callers) if contender.ratios else "1",
            ]
        )
    rows += [[name, reason, "", "", "", "", ""] for name, reason in absent.items()]
    columns = [
        "",
        "requests/s",
        "ratio to direct",
        "added p50, us",
        "added p99, us",
        "CPU s per 1,000 requests",
        "CPU, ratio to nginx",
    ]
    return Table(caption=f"{callers} caller{'s' if callers > 1 else ''}", columns=columns, rows=rows)


def _label(contender: Contender, samples: list[wrk.Sample]) -> str:
    failed = sum(sample.failed for sample in samples)
    return contender.label + (f" ({failed} failed)" if failed else "")


def _latency(samples: list[wrk.Sample], pick: Callable[[wrk.Sample], float]) -> Figure:
    return figure(map(pick, samples))


def _ratio(contender: Contender, callers: int) -> Figure:
    return figure(contender.ratios[callers], 2)


def _aims(node: Contender, router: Contender | None) -> Table:
    rows: list[list[Cell]] = []
    for callers in AIMED:
        beside = f"; {router.label}: {_ratio(router, callers)}" if router else ""
        what = f"CPU per request at {callers} callers, ratio to nginx (target {TARGET}{beside})"
        rows.append(aim(what, _ratio(node, callers), LIMIT))
    return aims(rows)


METHOD = f"""\
`POST /v1/chat/completions`, not streamed, against a static nginx on loopback: `wrk` keeps 1, 16 or 64
requests open for {SECONDS} s. What is measured has one core to itself; client and mock are on others
(with two cores both on the second, which then limits the fastest). With one caller the added latency is
that of a hop; with 16 and 64 it is mostly the queue before a full core. nginx runs anew before each of the
others, and *ratio to nginx* is over that run: CPU time of whole processes, in user and kernel. All of them
pass every request to the one backend that they have: nginx as a plain reverse proxy, vllm-router (Rust)
with `round_robin`, without retries, circuit breaker and checks of health, LiteLLM with one worker."""

GROUP = Group(
    name="relay",
    title="Relay: small requests",
    method=METHOD,
    bound=600 + len(GATEWAYS) * INSTALL_SECONDS,
    measure=measure,
)
