"""Management messages in and out of Starlette's requests."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..errors import InvalidRequest
from ..wire import whole

T = TypeVar("T")

MAX_BODY = 1024 * 1024


def answer(value: Any, status: int = 200) -> Response:
    """``value`` as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def number(text: str | None, default: int) -> int:
    """A count in a query, ``default`` where there is none or it is not one."""
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else default


async def read(request: Request, type: type[T]) -> T:
    """The body as a message of ``type``. Raises :class:`InvalidRequest`."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise InvalidRequest("The body of a management request is at most 1 MiB.")
    try:
        try:
            return msgspec.json.decode(bytes(body), type=type)
        except msgspec.ValidationError:
            return msgspec.convert(whole(msgspec.json.decode(bytes(body), type=dict[str, Any])), type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not fit {request.url.path}: {error}.") from None
