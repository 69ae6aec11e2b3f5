"""Small requests through the node, beside nginx and LiteLLM."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from . import host, litellm, nginx, wrk
from .group import BenchError, Group, Progress
from .processes import cpu_seconds
from .results import Cell, Figure, Table, aim, aims, figure

CALLERS = (1, 16, 64)
ROUNDS = 3
SECONDS = 3

DIRECT = "direct"
NODE = "this node"


@dataclass
class Contender:
    """Something that stands between the client and the mock."""

    label: str
    port: int
    pid: int | None = None
    samples: dict[int, list[wrk.Sample]] = field(default_factory=dict)
    cpu: dict[int, list[float]] = field(default_factory=dict)
    """CPU seconds per 1,000 requests, by the number of callers."""


def measure(progress: Progress) -> list[Table]:
    """Every contender at every number of callers, in turn, three rounds."""
    with ExitStack() as stack:
        mock = stack.enter_context(nginx.static())
        absent: dict[str, str] = {}
        contenders = [Contender(DIRECT, mock)]
        process, port = stack.enter_context(nginx.proxy(mock))
        contenders.append(Contender("nginx", port, process.pid))
        process, port = stack.enter_context(host.node(mock))
        contenders.append(Contender(NODE, port, process.pid))
        try:
            python, version = litellm.environment(progress)
            progress("starting LiteLLM")
            process, port = stack.enter_context(litellm.proxy(python, mock))
            contenders.append(Contender(f"LiteLLM {version}", port, process.pid))
        except BenchError as error:
            progress(f"without LiteLLM: {error}")
            absent["LiteLLM"] = f"not installed: {error}"
        for contender in contenders:
            wrk.run(contender.port, 4, SECONDS)  # warm-up
        for number in range(1, ROUNDS + 1):
            for callers in CALLERS:
                for contender in contenders:
                    sample = _run(contender, callers)
                    progress(
                        f"round {number}/{ROUNDS}, {callers:2} callers, {contender.label:16}"
                        f" {sample.rate:9,.0f} requests/s, p99 {sample.p99:9,.0f} us"
                    )
    tables = [_table(callers, contenders, absent) for callers in CALLERS]
    return [*tables, _aims({contender.label: contender for contender in contenders})]


def _run(contender: Contender, callers: int) -> wrk.Sample:
    before = cpu_seconds(contender.pid) if contender.pid else 0.0
    sample = wrk.run(contender.port, callers, SECONDS)
    if contender.pid:
        used = cpu_seconds(contender.pid) - before
        contender.cpu.setdefault(callers, []).append(used / sample.requests * 1000)
    contender.samples.setdefault(callers, []).append(sample)
    return sample


def _table(callers: int, contenders: list[Contender], absent: dict[str, str]) -> Table:
    direct = contenders[0].samples[callers]
    rows: list[list[Cell]] = []
    for contender in contenders:
        samples = contender.samples[callers]
        failed = sum(sample.failed for sample in samples)
        row: list[Cell] = [contender.label + (f" ({failed} failed)" if failed else "")]
        row.append(figure(sample.rate for sample in samples))
        if contender.pid is None:
            p50, p99 = (_latency(samples, lambda s: s.p50), _latency(samples, lambda s: s.p99))
            row += ["1", f"(itself {p50})", f"(itself {p99})", ""]
        else:
            row += [
                figure((s.rate / d.rate for s, d in zip(samples, direct, strict=True)), 3),
                figure(s.p50 - d.p50 for s, d in zip(samples, direct, strict=True)),
                figure(s.p99 - d.p99 for s, d in zip(samples, direct, strict=True)),
                figure(contender.cpu[callers], 3),
            ]
        rows.append(row)
    rows += [[name, reason, "", "", "", ""] for name, reason in absent.items()]
    columns = [
        "",
        "requests/s",
        "ratio to direct",
        "added p50, us",
        "added p99, us",
        "CPU s per 1,000 requests",
    ]
    return Table(caption=f"{callers} caller{'s' if callers > 1 else ''}", columns=columns, rows=rows)


def _latency(samples: list[wrk.Sample], pick: Callable[[wrk.Sample], float]) -> Figure:
    return figure(map(pick, samples))


def _aims(by: dict[str, Contender]) -> Table:
    node, proxy = by[NODE], by["nginx"]
    rates = [s.rate / p.rate for s, p in zip(node.samples[64], proxy.samples[64], strict=True)]
    return aims(
        [
            aim("CPU seconds per 1,000 requests at 64 callers", figure(node.cpu[64], 3), 0.06),
            aim("requests/s at 64 callers, of nginx's", figure(rates, 2), 0.5, at_most=False),
        ]
    )


METHOD = f"""\
`POST /v1/chat/completions`, not streamed, against a static nginx on loopback: `wrk` keeps 1, 16 or 64
requests open for {SECONDS} s. What is measured has one core to itself; client and mock are on others
(with two cores both on the second, which then limits the fastest). With one caller the added latency is
that of a hop; with 16 and 64 it is mostly the queue before a full core."""

GROUP = Group(
    name="relay",
    title="Relay: small requests",
    method=METHOD,
    bound=420 + litellm.INSTALL_SECONDS,
    measure=measure,
)
