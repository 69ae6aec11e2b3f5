"""Bodies in and answers out, on bare ASGI."""

from __future__ import annotations

import asyncio
from typing import Any

from ..errors import (
    BagoError,
    BodyTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    UnsupportedEncoding,
)
from ..router.shape import Dialect
from .dialects import error_body


async def read_body(receive: Any, headers: dict[bytes, bytes], limit: int) -> bytes:
    """The whole request body; a client that leaves cancels the request.

    Raises :class:`BodyTooLarge`, :class:`UnsupportedEncoding`.
    """
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() not in (b"", b"identity"):
        raise UnsupportedEncoding("Compressed request bodies are not read here; send plain JSON.")
    length = headers.get(b"content-length")
    if length is not None and not length.isdigit():
        raise InvalidRequest("The header content-length is not a number.")
    if length is not None and int(length) > limit:
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        parts.append(message["body"])
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
    return b"".join(parts)


def started(send: Any) -> bool:
    """Whether the answer has begun, as uvicorn's ``send`` knows."""
    return bool(getattr(getattr(send, "__self__", None), "response_started", False))


async def send_whole(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """An answer in one piece."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Any, error: BagoError, dialect: Dialect = "chat", id: str | None = None) -> None:
    """Answer with ``error`` in ``dialect``."""
    headers = [(b"content-type", b"application/json")]
    if id is not None:
        headers.append((b"x-request-id", id.encode()))
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after))))
    if isinstance(error, Overloaded) and error.queued:
        headers.append((b"x-bago-queue", b"%d" % error.queued))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allow.encode()))
    await send_whole(send, error.status, headers, error_body(error, dialect))


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is over {limit / 2**20:g} MiB; send less, or raise max_body.")
