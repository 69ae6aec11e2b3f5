"""What may be asked of the statistics, and the answers as messages."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import InvalidRequest
from ..wire import StatsRow, StatsSeries
from .buckets import percentile
from .cell import Cell

DIMENSIONS = ("model", "node", "caller", "dialect")
MINUTE, HOUR = 60, 3600
MINUTES_KEPT = 48 * HOUR
"""Seconds after which minutes are added up into hours."""
HOURS_KEPT = 400 * 24 * HOUR
"""Seconds after which hours are deleted."""
MOST_POINTS = 1000

Group = tuple[str, ...]
Found = dict[Group, dict[int, Cell]]
"""Counters by group and number of the step."""


class Span(NamedTuple):
    """A stretch of Unix time in whole steps; it ends with the step that holds the present."""

    start: int
    step: int
    steps: int


def grouping(by: Iterable[str]) -> tuple[str, ...]:
    """``by`` as a grouping. Raises :class:`InvalidRequest` for a name that is none."""
    names = tuple(dict.fromkeys(by))
    for name in names:
        if name not in DIMENSIONS:
            near = difflib.get_close_matches(name, DIMENSIONS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(DIMENSIONS)}."
            raise InvalidRequest(f"Statistics cannot be grouped by {name!r}; {hint}", param="by")
    return names


def whole(since: float, now: float) -> Span:
    """The last ``since`` seconds as one step. Raises :class:`InvalidRequest`."""
    unit = _unit(since)
    start = int(now - since) // unit * unit
    return Span(start, int(now) + 1 - start, 1)


def steps(since: float, now: float, points: int) -> Span:
    """The last ``since`` seconds in at most ``points`` steps of whole minutes, or hours where minutes are
    not kept for so long. Raises :class:`InvalidRequest`."""
    if not 1 <= points <= MOST_POINTS:
        raise InvalidRequest(f"A series has 1 to {MOST_POINTS} points, not {points}.", param="points")
    unit = _unit(since)
    step = math.ceil(since / points / unit) * unit
    count = math.ceil(since / step)
    return Span((int(now) // step + 1 - count) * step, step, count)


def rows(by: Sequence[str], found: Found) -> list[StatsRow]:
    """A summary, most requests first."""
    made = [_row(by, group, cells[0]) for group, cells in found.items()]
    return sorted(made, key=lambda row: (-row.requests, *(getattr(row, name) for name in by)))


def lines(by: Sequence[str], found: Found, span: Span) -> list[StatsSeries]:
    """The groups over time, most requests first."""
    made = [_line(by, group, span, cells) for group, cells in found.items()]
    return sorted(made, key=lambda line: (-sum(line.requests), *(getattr(line, name) for name in by)))


def _row(by: Sequence[str], group: Group, cell: Cell) -> StatsRow:
    return StatsRow(
        **dict(zip(by, group, strict=True)),
        requests=cell.requests,
        ok=cell.ok,
        failed=cell.failed,
        cancelled=cell.cancelled,
        prompt_tokens=cell.prompt_tokens,
        completion_tokens=cell.completion_tokens,
        tokens_per_second=cell.tokens_per_second,
        first_token_mean=_mean(cell.first_seconds, sum(cell.first)),
        first_token_p50=percentile(cell.first, 0.5),
        first_token_p95=percentile(cell.first, 0.95),
        first_token_p99=percentile(cell.first, 0.99),
        latency_mean=_mean(cell.latency_seconds, sum(cell.latency)),
        latency_p50=percentile(cell.latency, 0.5),
        latency_p95=percentile(cell.latency, 0.95),
        latency_p99=percentile(cell.latency, 0.99),
    )


def _line(by: Sequence[str], group: Group, span: Span, cells: dict[int, Cell]) -> StatsSeries:
    line = [cells.get(step) or Cell() for step in range(span.steps)]
    return StatsSeries(
        **dict(zip(by, group, strict=True)),
        start=span.start,
        step=span.step,
        requests=[cell.requests for cell in line],
        failed=[cell.failed for cell in line],
        cancelled=[cell.cancelled for cell in line],
        prompt_tokens=[cell.prompt_tokens for cell in line],
        completion_tokens=[cell.completion_tokens for cell in line],
        tokens_per_second=[cell.tokens_per_second for cell in line],
        first_token_p50=[percentile(cell.first, 0.5) for cell in line],
        first_token_p95=[percentile(cell.first, 0.95) for cell in line],
        latency_p50=[percentile(cell.latency, 0.5) for cell in line],
        latency_p95=[percentile(cell.latency, 0.95) for cell in line],
    )


def _unit(since: float) -> int:
    if not 0 < since <= HOURS_KEPT:  # and so no NaN
        days = HOURS_KEPT // (24 * HOUR)
        raise InvalidRequest(
            f"since is between 0 and {HOURS_KEPT} seconds: statistics are kept for {days} days.",
            param="since",
        )
    return MINUTE if since <= MINUTES_KEPT else HOUR


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
