"""A node inside a kernel while the kernel's own thread is at work, in thread and in process mode."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from . import busy, load
from .group import BenchError, Group, Progress
from .kernel import Kernel, kernel
from .processes import MOCK_CORE, PROXY_CORE, child, free_port, python
from .results import Cell, Figure, Table, aim, aims, figure

ROUNDS = 3
SECONDS = 5
QUIET = 2.0
"""Seconds that a cell computes before the load begins: the speed to compare with."""
SETTLE = 0.3

MODES = ("thread", "process")
STATES = {
    "idle": "no cell runs",
    "asleep": "`time.sleep`",
    "python": "pure Python",
    "locked": "C calls that keep the GIL",
}


@dataclass
class Case:
    """One state of the cell in one mode."""

    samples: list[load.Sample] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    """Speed of the cell under load, as a share of its speed just before."""

    @property
    def unanswered(self) -> int:
        """Requests that got no good answer: some may not, where the node hardly gets to run."""
        return sum(sample.failed for sample in self.samples)


def measure(progress: Progress) -> list[Table]:
    """Each mode in a kernel of its own; within it all states in turn, three rounds."""
    mock = free_port()
    cases = {mode: {state: Case() for state in STATES} for mode in MODES}
    direct: list[load.Sample] = []
    pauses: list[float] = []
    with child("mock", python("mock", mock), core=MOCK_CORE, ready_port=mock):
        for mode in MODES:
            with _serving(mode, mock) as (shell, port):
                length, took, pause = shell.run("calibrated = busy.calibrate()", "calibrated")
                pauses.append(pause)
                if pause < 0.7 * took:
                    raise BenchError(
                        f"a call of {took * 1000:.0f} ms should keep the GIL, and kept it for"
                        f" {pause * 1000:.0f} ms only"
                    )
                for number in range(1, ROUNDS + 1):
                    direct.append(load.run("steady", mock, SECONDS))
                    for state in STATES:
                        case = cases[mode][state]
                        _run(shell, port, state, length, case)
                        kept = f", the cell keeps {case.kept[-1]:.0%}" if case.kept else ""
                        sample = case.samples[-1]
                        progress(
                            f"{mode}, round {number}/{ROUNDS}, {state:6} p50 {sample.p50 / 1e3:6.2f} ms,"
                            f" p99 {sample.p99 / 1e3:6.2f} ms{kept}"
                        )
    return [_table(cases, direct, pauses), _aims(cases)]


@contextmanager
def _serving(mode: str, mock: int) -> Iterator[tuple[Kernel, int]]:
    with kernel(core=PROXY_CORE) as shell:
        port = free_port()
        shell.run("from tests.benchmarks import busy, host")
        shell.run(f"node = host.start({mode!r}, {mock}, {port})")
        try:
            yield shell, port
        finally:
            shell.run("node.close()")


def _run(shell: Kernel, port: int, state: str, length: int, case: Case) -> None:
    if state == "idle":
        case.samples.append(load.run("steady", port, SECONDS))
        return
    call = {"asleep": "busy.asleep()", "python": "busy.python()", "locked": f"busy.locked({length})"}[state]
    cell = shell.begin(call, "busy.marks")
    shell.await_start(cell)
    begun = time.monotonic_ns()
    if state != "asleep":
        time.sleep(SETTLE + QUIET)
    try:
        sample = load.run("steady", port, SECONDS)
    finally:
        shell.interrupt()
        marks = shell.result(cell)
    case.samples.append(sample)
    if state != "asleep":
        before = busy.speed(marks, begun + int(SETTLE * 1e9), begun + int((SETTLE + QUIET) * 1e9))
        case.kept.append(busy.speed(marks, sample.started_ns, sample.ended_ns) / before)


def _milliseconds(samples: list[load.Sample], name: str) -> Figure:
    return figure((getattr(sample, name) / 1e3 for sample in samples), 2)


def _table(cases: dict[str, dict[str, Case]], direct: list[load.Sample], pauses: list[float]) -> Table:
    rows: list[list[Cell]] = [
        ["(the mock itself)", "", _milliseconds(direct, "p50"), _milliseconds(direct, "p99"), "1", ""]
    ]
    for number, (mode, states) in enumerate(cases.items()):
        beside = direct[number * ROUNDS :]
        for state, case in states.items():
            ratio = [s.p99 / d.p99 for s, d in zip(case.samples, beside, strict=False)]
            rows.append(
                [
                    mode,
                    STATES[state] + (f" ({case.unanswered} unanswered)" if case.unanswered else ""),
                    _milliseconds(case.samples, "p50"),
                    _milliseconds(case.samples, "p99"),
                    figure(ratio, 1),
                    figure((100 * share for share in case.kept), 1) if case.kept else "",
                ]
            )
    caption = f"{load.RATE} requests/s; a C call kept the GIL for {max(pauses) * 1000:.0f} ms"
    columns = ["node", "the cell", "p50, ms", "p99, ms", "p99, ratio to direct", "the cell keeps, %"]
    return Table(caption=caption, columns=columns, rows=rows)


def _aims(cases: dict[str, dict[str, Case]]) -> Table:
    thread, process = cases["thread"], cases["process"]
    idle = process["idle"].samples
    rows = [
        aim("thread, pure Python: p99, ms", _milliseconds(thread["python"].samples, "p99"), 5),
        aim(
            "thread, pure Python: the cell keeps, %",
            figure((100 * share for share in thread["python"].kept), 1),
            90,
            at_most=False,
        ),
    ]
    for state in ("asleep", "python", "locked"):
        ratios = [s.p99 / i.p99 for s, i in zip(process[state].samples, idle, strict=True)]
        rows.append(aim(f"process, {STATES[state]}: p99 over the idle one", figure(ratios, 2), 1.5))
    return aims(rows)


METHOD = f"""\
A node in a real ipykernel, asked {load.RATE} times a second whether or not answers come, while a cell
works. Kernel and node share one core in both modes; client and mock are on others. What the cell keeps
is its speed during the load over its speed in the {QUIET:.0f} s before. The C call is `sum(range(n))`
of about {busy.CALL * 1000:.0f} ms; a second thread in the kernel measures how long one keeps it
waiting. A node in a process of its own is compared with itself while no cell runs: beside a busy cell it
has to be given the core first, and where the scheduler does not do so at once, it looks again at its next
tick (every 4 ms at 250 Hz)."""

GROUP = Group(
    name="cell",
    title="Beside a working cell",
    method=METHOD,
    bound=300,
    measure=measure,
)
