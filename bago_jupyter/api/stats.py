"""Statistics over the management API."""

from __future__ import annotations

from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from ..errors import InvalidRequest
from ..wire import StatsRow, StatsSeries
from .context import Context
from .messages import answer
from .nodes import Row

T = TypeVar("T", StatsRow, StatsSeries)
DAY = 86400.0


def table(context: Context) -> list[Row]:
    """The routes: method, path, handler."""
    stats = _Stats(context)
    return [("GET", "/api/v1/stats", stats.summary), ("GET", "/api/v1/stats/series", stats.series)]


class _Stats:
    def __init__(self, context: Context):
        self._statistics = context.statistics
        self._naming = context.mesh.naming

    async def summary(self, request: Request) -> Response:
        """``?by=model,node&since=3600``: seconds back from now."""
        by = _words(request.query_params.get("by", "model,node"))
        return answer(self._named(await self._statistics.summary(by, _number(request, "since", DAY))))

    async def series(self, request: Request) -> Response:
        """``?by=model&since=3600&points=60``."""
        by, points = _words(request.query_params.get("by", "")), _number(request, "points", 60)
        since = _number(request, "since", DAY)
        return answer(self._named(await self._statistics.series(by, since, int(points))))

    def _named(self, rows: list[T]) -> list[T]:
        for row in rows:
            if row.caller is not None:
                row.caller = self._naming.caller(row.caller)
        return rows


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _number(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name)
    try:
        value = default if text is None else float(text)
        int(value)
    except (ValueError, OverflowError):  # also NaN and infinity
        raise InvalidRequest(f"{name} is a number, not {text!r}.", param=name) from None
    return value
