"""Management of named API keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from ..trust.apikeys import ApiKey
from ..wire import ApiKeyInfo, ApiKeyWanted
from .context import Context
from .messages import answer, read

Row = tuple[str, str, Callable[[Request], Awaitable[Response]]]


def table(context: Context) -> list[Row]:
    """The routes: method, path, handler."""
    keys = _ApiKeys(context)
    return [
        ("GET", "/api/v1/apikeys", keys.listed),
        ("POST", "/api/v1/apikeys", keys.add),
        ("DELETE", "/api/v1/apikeys", keys.remove),
    ]


class _ApiKeys:
    def __init__(self, context: Context):
        self._keys = context.api_keys

    async def listed(self, request: Request) -> Response:
        return answer([_info(key, used) for key, used in self._keys.listed()])

    async def add(self, request: Request) -> Response:
        name = (await read(request, ApiKeyWanted)).name
        secret = self._keys.add(name)
        info = next(_info(key, used) for key, used in self._keys.listed() if key.name == name)
        info.key = secret.reveal()
        return answer(info)

    async def remove(self, request: Request) -> Response:
        self._keys.remove(request.query_params.get("name", ""))
        return answer(None)


def _info(key: ApiKey, last_used: float | None) -> ApiKeyInfo:
    return ApiKeyInfo(name=key.name, created=key.created, last_used=last_used)
