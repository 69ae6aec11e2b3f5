"""Many SSE streams at once through the node, beside nginx."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

from . import host, load, nginx
from .group import BenchError, Group, Progress
from .mock import EVENTS, INTERVAL
from .processes import MOCK_CORE, child, cpu_seconds, free_port, python
from .results import Cell, Figure, Table, aim, aims, figure

ROUNDS = 3
SECONDS = 4

NODE = "this node"


@dataclass
class Contender:
    """Something that stands between the client and the mock."""

    label: str
    port: int
    pid: int | None = None
    samples: list[load.Sample] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """CPU microseconds per event."""


def measure(progress: Progress) -> list[Table]:
    """Direct, through nginx and through the node, in turn, three rounds."""
    with ExitStack() as stack:
        mock = free_port()
        stack.enter_context(child("mock", python("mock", mock), core=MOCK_CORE, ready_port=mock))
        contenders = [Contender("direct", mock)]
        process, port = stack.enter_context(nginx.proxy(mock))
        contenders.append(Contender("nginx", port, process.pid))
        process, port = stack.enter_context(host.node(mock))
        contenders.append(Contender(NODE, port, process.pid))
        for number in range(1, ROUNDS + 1):
            for contender in contenders:
                sample = _run(contender)
                progress(
                    f"round {number}/{ROUNDS}, {contender.label:10} first event p50 {sample.p50:7,.0f} us,"
                    f" event p99 {sample.event_p99:7,.0f} us, {sample.events:,} events"
                )
    return [_table(contenders), _aims(*contenders)]


def _run(contender: Contender) -> load.Sample:
    before = cpu_seconds(contender.pid) if contender.pid else 0.0
    sample = load.run("streams", contender.port, SECONDS)
    if sample.failed:
        raise BenchError(
            f"{sample.failed} of {sample.failed + sample.answers} streams via {contender.label} broke"
        )
    if contender.pid:
        contender.cpu.append((cpu_seconds(contender.pid) - before) / sample.events * 1e6)
    contender.samples.append(sample)
    return sample


_LATENCIES = ("p50", "p99", "event_p50", "event_p99")


def _table(contenders: list[Contender]) -> Table:
    direct, beside = contenders[:2]
    rows: list[list[Cell]] = [
        ["direct (itself)", *(_itself(direct, name) for name in _LATENCIES), "", "", ""],
    ]
    for contender in contenders[1:]:
        ratio = [s.event_p50 / d.event_p50 for s, d in zip(contender.samples, direct.samples, strict=True)]
        added = (_added(contender, direct, name) for name in _LATENCIES)
        cpu = [used / least for used, least in zip(contender.cpu, beside.cpu, strict=True)]
        costs = [figure(contender.cpu, 1), "1" if contender is beside else figure(cpu, 2)]
        rows.append([contender.label, *added, figure(ratio, 1), *costs])
    columns = [
        "added, us",
        "first event p50",
        "first event p99",
        "each event p50",
        "each event p99",
        "event p50, ratio to direct",
        "CPU us per event",
        "CPU, ratio to nginx",
    ]
    return Table(caption=f"{load.STREAMS} streams", columns=columns, rows=rows)


def _itself(contender: Contender, name: str) -> Figure:
    return figure(getattr(sample, name) for sample in contender.samples)


def _added(contender: Contender, direct: Contender, name: str) -> Figure:
    pairs = zip(contender.samples, direct.samples, strict=True)
    return figure(getattr(sample, name) - getattr(beside, name) for sample, beside in pairs)


def _aims(direct: Contender, beside: Contender, node: Contender) -> Table:
    cpu, late = figure(beside.cpu, 1), _added(beside, direct, "event_p99")
    return aims(
        [
            aim(f"CPU us per event (nginx: {cpu})", figure(node.cpu, 1), 20),
            aim(f"added event p99, us (nginx: {late})", _added(node, direct, "event_p99"), 1000),
        ]
    )


METHOD = f"""\
{load.STREAMS} SSE streams at once, {EVENTS} events each, one per {INTERVAL * 1000:.0f} ms, each event
written alone and carrying the time of its writing; started one after another, and each that ends starts
the next. Node or nginx on one core, client and mock on others. The node passes whole events
only, nginx bytes as they come."""

GROUP = Group(
    name="stream",
    title="Relay: streams",
    method=METHOD,
    bound=150,
    measure=measure,
)
