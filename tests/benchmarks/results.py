"""Figures with their noise, tables of them, and the file that keeps each group's latest tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Union

import msgspec

HERE = Path(__file__).parent
FILE = HERE / "results.json"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measured number: the median of its runs and the range they covered."""

    median: float
    low: float
    high: float
    runs: int
    digits: int = 0
    """Digits after the point when shown."""

    def __str__(self) -> str:
        def show(value: float) -> str:
            return f"{value:,.{self.digits}f}"

        if self.runs < 2:
            return show(self.median)
        return f"{show(self.median)} ({show(self.low)}..{show(self.high)})"


def figure(samples: Iterable[float], digits: int = 0) -> Figure:
    """Sum up the results of several runs. Raises ``ValueError`` without any."""
    values = sorted(samples)
    if not values:
        raise ValueError("a figure needs at least one run")
    return Figure(
        median=statistics.median(values), low=values[0], high=values[-1], runs=len(values), digits=digits
    )


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile of ``values``; ``share`` is 0 to 1."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a percentile needs at least one value")
    return ordered[round(share * (len(ordered) - 1))]


Cell = Union[Figure, str]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the README; the first column names what was measured."""

    caption: str
    columns: list[str]
    rows: list[list[Cell]]


def aim(what: str, measured: Figure, limit: float, *, at_most: bool = True) -> list[Cell]:
    """A row for the table of aims."""
    met = measured.median <= limit if at_most else measured.median >= limit
    return [f"{what} {'<=' if at_most else '>='} {limit:g}", measured, "met" if met else "**missed**"]


def aims(rows: list[list[Cell]]) -> Table:
    """The table that holds the figures against what they ought to be."""
    return Table(caption="Aims", columns=["aim", "measured", ""], rows=rows)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where a group was measured."""

    cpu: str
    cores: int
    system: str
    python: str
    versions: dict[str, str]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The latest run of one group."""

    date: str
    seconds: float
    machine: Machine
    load: float
    """Load average of the machine just before the group started: it should be near zero."""
    tables: list[Table]


def load() -> dict[str, Result]:
    """The latest result of each group that was ever run."""
    try:
        return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Result])
    except FileNotFoundError:
        return {}


def save(results: dict[str, Result]) -> None:
    """Keep ``results`` for the next, perhaps partial, run."""
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(results, order="sorted"), indent=1) + b"\n")
