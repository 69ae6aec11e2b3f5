"""Why requests went where they went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from ..errors import NotFound
from ..wire import Decision
from .context import Context
from .messages import answer, number

Row = tuple[str, str, Callable[[Request], Awaitable[Response]]]


def table(context: Context) -> list[Row]:
    """The routes: method, path, handler."""
    decisions = _Decisions(context)
    return [
        ("GET", "/api/v1/decisions", decisions.listed),
        ("GET", "/api/v1/decisions/{id}", decisions.show),
        ("GET", "/api/v1/decisions/{id}/inputs", decisions.inputs),
    ]


class _Decisions:
    def __init__(self, context: Context):
        self._records = context.dispatcher.records
        self._naming = context.mesh.naming

    async def listed(self, request: Request) -> Response:
        latest = self._records.latest(number(request.query_params.get("limit"), 20))
        return answer([self._named(decision) for decision in latest])

    async def show(self, request: Request) -> Response:
        id = request.path_params["id"]
        if id != "latest":
            return answer(self._named(self._records.get(id)))
        newest = self._records.latest()
        if not newest:
            raise NotFound("No request has been made yet.")
        return answer(self._named(newest[0]))

    async def inputs(self, request: Request) -> Response:
        return answer(self._records.inputs(request.path_params["id"]))

    def _named(self, decision: Decision) -> Decision:
        decision.caller = self._naming.caller(decision.caller)
        return decision
