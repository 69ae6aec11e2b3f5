"""What a person waits for: loading the extension, bringing the node up, ending the kernel."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .group import Group, Progress
from .kernel import Kernel, kernel
from .results import Cell, Table, aim, aims, figure

RUNS = 10

_EMPTY = "def load_ipython_extension(shell):\n    pass\n"

_TIMED = """
def timed(name, line):
    import time
    before = time.perf_counter()
    get_ipython().run_line_magic(name, line)
    return (time.perf_counter() - before) * 1000
"""


def measure(progress: Progress) -> list[Table]:
    """A kernel without and a kernel with the node, in turn."""
    empty: list[float] = []
    loads: list[float] = []
    ups: list[float] = []
    plain_ends: list[float] = []
    node_ends: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bago-bench-") as place:
        (Path(place) / "empty_extension.py").write_text(_EMPTY)
        for number in range(1, RUNS + 1):
            with kernel() as shell:
                _prepare(shell, place)
                empty.append(_time(shell, "load_ext", "empty_extension"))
                plain_ends.append(shell.shutdown() * 1000)
            with kernel(env={"BAGO_HOME": str(Path(place) / f"home{number}")}) as shell:
                _prepare(shell, place)
                loads.append(_time(shell, "load_ext", "bago_jupyter"))
                ups.append(_time(shell, "bago", "up"))
                node_ends.append(shell.shutdown() * 1000)
            progress(
                f"kernel {number}/{RUNS}: %load_ext {loads[-1]:4.0f} ms (empty {empty[-1]:.1f}),"
                f" %bago up {ups[-1]:4.0f} ms, end {node_ends[-1]:4.0f} ms (plain {plain_ends[-1]:.0f})"
            )
    added_load = [a - b for a, b in zip(loads, empty, strict=True)]
    added_end = [a - b for a, b in zip(node_ends, plain_ends, strict=True)]
    rows: list[list[Cell]] = [
        ["`%load_ext bago_jupyter`", figure(loads), figure(empty, 1), figure(added_load)],
        ["`%bago up`", figure(ups), "", ""],
        ["kernel shutdown", figure(node_ends), figure(plain_ends), figure(added_end)],
    ]
    columns = ["ms", "with the node", "without (an empty extension)", "added"]
    return [
        Table(caption="In a fresh kernel", columns=columns, rows=rows),
        aims(
            [
                aim("`%load_ext` over an empty extension, ms", figure(added_load), 150),
                aim("`%bago up`, ms", figure(ups), 1000),
                aim("kernel shutdown over one without a node, ms", figure(added_end), 1500),
            ]
        ),
    ]


def _prepare(shell: Kernel, place: str) -> None:
    shell.run(f"import sys; sys.path.insert(0, {place!r})\n{_TIMED}")


def _time(shell: Kernel, name: str, line: str) -> float:
    took: float = shell.run(f"took = timed({name!r}, {line!r})", "took")
    return took


METHOD = f"""\
{RUNS} fresh kernels with and {RUNS} without, in turn, nothing pinned. `%load_ext` and `%bago up` are
timed inside the kernel, with a new home each time; shutdown from the request until the process is gone."""

GROUP = Group(
    name="startup",
    title="Start and end",
    method=METHOD,
    bound=180,
    measure=measure,
)
