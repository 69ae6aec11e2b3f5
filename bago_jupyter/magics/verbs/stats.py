"""``stats``: what was asked of the node, and how it went."""

from __future__ import annotations

import re

import msgspec

from ... import launch
from ...wire import StatsRow, StatsSeries
from ..parse import Given, suggest
from ..quiet import Usage
from ..session import Session
from ..show import quantity, seconds
from ..sparkline import sparkline

GROUPINGS = ("model", "node", "caller", "dialect")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
MOST_DAYS = 400
POINTS = 24
"""Bars of the line of requests."""

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
_COLUMNS = (
    "requests",
    "failed",
    "tokens in",
    "tokens out",
    "tok/s",
    "first token p50",
    "p95",
    "latency p50",
    "p95",
    "p99",
)


def stats(session: Session, given: Given) -> None:
    """Requests, tokens and times as a table; with ``--to`` also as a list of dicts, one for each row."""
    by, since = grouping(given), span(given)
    client = launch.node()
    rows = client.stats(by, since)
    if name := given.options.get("to"):
        session.assign(name, [_plain(row, by) for row in rows])
    if not rows:
        session.screen.line(f"Nothing was asked within {given.options.get('since', '24h')}.")
        return
    lines = {_names(line, by): line for line in client.series(by, since, points=POINTS)}
    session.screen.table(
        (*by, *_COLUMNS, "requests over time"),
        [(*_names(row, by), *_figures(row), _bars(lines.get(_names(row, by)))) for row in rows],
    )


def rows(given: Given) -> list[StatsRow]:
    """The same as the management API gives it, for ``--json``."""
    return launch.node().stats(grouping(given), span(given))


def grouping(given: Given) -> tuple[str, ...]:
    """``--by`` as names, given several times or with commas between. Raises :class:`~..quiet.Usage`."""
    given_words = given.options.get("by", ["model,node"])
    words = [word.strip() for text in given_words for word in text.split(",") if word.strip()]
    for word in words:
        if word not in GROUPINGS:
            raise Usage(f"--by does not know {word!r}. {suggest(word, GROUPINGS)}")
    return tuple(dict.fromkeys(words))


def span(given: Given) -> float:
    """``--since`` in seconds. Raises :class:`~..quiet.Usage`."""
    text = given.options.get("since", "24h")
    match = _SPAN.fullmatch(text)
    unit = match[2].lower() if match is not None else ""
    if match is None or unit not in UNITS:
        near = f"Did you mean {match[1]}{unit[0]}?" if match and unit[:1] in UNITS and unit else ""
        raise Usage(f"--since needs a span such as 90m, 24h or 7d, not {text!r}. {near}".strip())
    value = float(match[1]) * UNITS[unit]
    if not 0 < value <= MOST_DAYS * UNITS["d"]:
        raise Usage(f"--since goes back at most {MOST_DAYS}d, where statistics end, not {text}.")
    return value


def _names(row: StatsRow | StatsSeries, by: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(getattr(row, name) or "-" for name in by)


def _plain(row: StatsRow, by: tuple[str, ...]) -> dict[str, object]:
    every = msgspec.structs.asdict(row)
    return {name: value for name, value in every.items() if name in by or name not in GROUPINGS}


def _figures(row: StatsRow) -> tuple[object, ...]:
    speed = row.tokens_per_second
    return (
        row.requests,
        f"{row.failed / row.requests:.1%}" if row.failed else "0%",
        quantity(row.prompt_tokens),
        quantity(row.completion_tokens),
        f"{speed:.1f}" if speed is not None else "",
        seconds(row.first_token_p50),
        seconds(row.first_token_p95),
        seconds(row.latency_p50),
        seconds(row.latency_p95),
        seconds(row.latency_p99),
    )


def _bars(line: StatsSeries | None) -> str:
    return sparkline(line.requests) if line is not None else ""
