"""Management of the names that lead to a chain of models (``backends/routes.py``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from ..wire import RouteInfo, RouteWanted
from .context import Context
from .messages import answer, read

Row = tuple[str, str, Callable[[Request], Awaitable[Response]]]


def table(context: Context) -> list[Row]:
    """The routes: method, path, handler."""
    chains = _Chains(context)
    return [
        ("GET", "/api/v1/routes", chains.listed),
        ("POST", "/api/v1/routes", chains.set),
        ("DELETE", "/api/v1/routes", chains.remove),
    ]


class _Chains:
    def __init__(self, context: Context):
        self._context = context

    async def listed(self, request: Request) -> Response:
        return answer([self._info(name, to) for name, to in sorted(self._context.routes.all().items())])

    async def set(self, request: Request) -> Response:
        wanted = await read(request, RouteWanted)
        self._context.routes.set(wanted.name, wanted.targets)
        self._refresh()
        return answer(self._info(wanted.name, wanted.targets))

    async def remove(self, request: Request) -> Response:
        self._context.routes.remove(request.query_params.get("name", ""))
        self._refresh()
        return answer(None)

    def _refresh(self) -> None:
        dispatcher = self._context.dispatcher
        dispatcher.routes = self._context.routes.all()
        dispatcher.refresh()

    def _info(self, name: str, targets: Sequence[str]) -> RouteInfo:
        offers = self._context.dispatcher.table.offers
        known = {known for offer in offers for known in (offer.model, f"{offer.node}/{offer.model}")}
        missing = [target for target in targets if target not in known]
        return RouteInfo(name=name, targets=list(targets), missing=missing)
