"""The README of the benchmarks, made from the kept results."""

from __future__ import annotations

from collections.abc import Sequence

from .group import Group
from .results import HERE, Machine, Result, Table

FILE = HERE / "README.md"

INTRODUCTION = """\
# Benchmarks

`make bench` measures everything and writes this page; `python -m tests.benchmarks relay` (or `stream`,
`cell`, `model`, `startup`, `mesh`, `routing`, `failover`, `failover-one`, `resilience`, `sharing`, `view`,
or several of them) measures one group anew and leaves the rest as it is. The numbers are kept in
`results.json`. It needs Linux and at least two cores; `relay` and `stream` need Debian's `nginx` and
`wrk`, LiteLLM and vllm-router get environments of their own below `out/`, hosts that are network
namespaces need root and `iproute2`, and `view` needs `chromium`, JupyterLab, Node.js and `npm ci` in
`js/`. Run it on a quiet machine.

How to read it: a figure is the median of its runs, with the smallest and the largest in brackets. What
goes through something is run in turn with the same thing asked directly, and *ratio* and *added* compare the
two runs that stand next to each other in time. Ratios travel between machines, absolute figures do not;
so what a request costs is aimed at as a ratio to nginx in the same run.
"""


def write(groups: Sequence[Group], results: dict[str, Result]) -> None:
    """Write the page; a group without a result says so."""
    parts = [INTRODUCTION]
    for group in groups:
        parts.append(f"## {group.title}\n\n{group.method}\n")
        result = results.get(group.name)
        if result is None:
            parts.append("Not measured yet.\n")
        else:
            parts.extend(_table(table) for table in result.tables)
            parts.append(_footer(result))
    FILE.write_text("\n".join(parts), "utf-8")


def _table(table: Table) -> str:
    lines = [" | ".join(table.columns), " | ".join(["---"] + ["---:"] * (len(table.columns) - 1))]
    lines += [" | ".join(map(str, row)) for row in table.rows]
    return f"{table.caption}\n\n" + "".join(f"| {line} |\n" for line in lines)


def _footer(result: Result) -> str:
    return (
        f"*{result.date}, {_machine(result.machine)}; load before the run {result.load:.1f};"
        f" took {result.seconds:.0f} s.*\n"
    )


def _machine(machine: Machine) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return f"{machine.cores} cores of {machine.cpu}, {machine.system}, Python {machine.python}, {versions}"
