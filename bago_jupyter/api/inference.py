"""The hot path: one inference request from ASGI to a backend and back, as bytes."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
from typing import Any

from ..backends import Answer, Request
from ..errors import BagoError, BodyTooLarge, MethodNotAllowed
from ..relay import WholeEvents
from .body import read_shape
from .context import Context
from .dialects import Dialect, Endpoint, error_body, error_event, retell
from .guard import bearer, check_key

log = logging.getLogger("bago.api")

FORWARDED = frozenset({b"content-type", b"accept", b"anthropic-version", b"anthropic-beta", b"openai-beta"})
"""Headers of the client that a backend may see."""
DROPPED = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"transfer-encoding",
        b"te",
        b"trailer",
        b"upgrade",
        b"proxy-authenticate",
        b"date",
        b"server",
        b"set-cookie",
        b"content-length",
        b"x-request-id",
        b"access-control-allow-origin",
    }
)
"""Headers of a backend that end here: hop by hop (RFC 9110, 7.6.1), or ours to say."""
GONE = "bago.gone"
"""Key of the ASGI scope under which the server looks for what to call when the client goes away."""

_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_prefix = secrets.token_hex(6)
_count = itertools.count(1)


class Inference:
    """Serves the routes of :data:`~bago_jupyter.api.dialects.ENDPOINTS`. Belongs to the node's loop."""

    def __init__(self, context: Context):
        self._context = context

    async def __call__(
        self, endpoint: Endpoint, scope: Any, receive: Any, send: Any, headers: dict[bytes, bytes]
    ) -> None:
        given = headers.get(b"x-request-id")
        fits = given is not None and _ID.fullmatch(given) and given.decode() not in self._decisions
        id = given.decode() if given is not None and fits else f"req_{_prefix}{next(_count):x}"
        task = asyncio.current_task()
        assert task is not None
        scope[GONE] = task.cancel
        pace = self._context.pace
        pace.enter()
        answer: Answer | None = None
        try:
            answer = await self._open(endpoint, scope, receive, headers, id)
            await _relay(answer, endpoint.dialect, id, send)
        except asyncio.CancelledError:
            if scope[GONE] is not None:  # the node stops, the client is still there
                raise
        except BagoError as error:
            await send_error(send, error, endpoint.dialect, id)
        finally:
            scope[GONE] = None
            if answer is not None:
                answer.close()
            pace.leave()

    @property
    def _decisions(self) -> Any:
        return self._context.dispatcher.decisions

    async def _open(
        self, endpoint: Endpoint, scope: Any, receive: Any, headers: dict[bytes, bytes], id: str
    ) -> Answer:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"Use POST for {scope['path']}.")
        self._check_key(headers)
        body = await self._read_body(receive, headers)
        shape = read_shape(body, endpoint, "local")
        request = Request(
            id=id,
            path=endpoint.path,
            body=body,
            headers=[(name, value) for name, value in headers.items() if name in FORWARDED],
            header_timeout=self._context.settings.header_timeout,
        )
        return await self._context.dispatcher.open(request, shape, endpoint.dialect)

    def _check_key(self, headers: dict[bytes, bytes]) -> None:
        key = self._context.settings.api_key
        if key is not None:
            presented = bearer(headers.get(b"authorization")) or headers.get(b"x-api-key")
            check_key(presented, key, self._context.admin_token)

    async def _read_body(self, receive: Any, headers: dict[bytes, bytes]) -> bytes:
        limit = self._context.settings.max_body
        length = headers.get(b"content-length")
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


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is over {limit / 2**20:g} MiB; send less, or raise max_body.")


async def _relay(answer: Answer, dialect: Dialect, id: str, send: Any) -> None:
    """Pass the answer on. Returns when the client has it all, or the stream ended with an error event."""
    status = answer.status
    if status >= 400:
        body = await answer.read_all()
        error = retell(status, body)
        if error is not None:
            await send_error(send, error, dialect, id)
            return
    headers = [(name, value) for name, value in answer.headers if name not in DROPPED]
    headers += _ours(answer, id)
    if status >= 400:
        await _send_whole(send, status, headers, body)
        return
    if answer.complete:
        await _send_whole(send, status, headers, await answer.read_all())
        return
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if answer.usage.stream:
        await _relay_events(answer, dialect, id, send)
    else:
        await _relay_bytes(answer, id, send)


async def _relay_events(answer: Answer, dialect: Dialect, id: str, send: Any) -> None:
    events = WholeEvents()
    try:
        while chunk := await answer.read():
            if whole := events.feed(chunk):
                await send({"type": "http.response.body", "body": whole, "more_body": True})
        last = events.rest()
    except BagoError as error:
        log.warning("%s: %s", id, error.message)
        last = error_event(error, dialect)
    await send({"type": "http.response.body", "body": last, "more_body": False})


async def _relay_bytes(answer: Answer, id: str, send: Any) -> None:
    try:
        while chunk := await answer.read():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except BagoError as error:
        log.warning("%s: %s", id, error.message)
        return  # the server then closes the connection, which is how HTTP says that a body is cut
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _ours(answer: Answer, id: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-request-id", id.encode()),
        (b"x-bago-node", answer.node.encode("ascii", "replace")),
        (b"x-bago-attempts", b"%d" % len(answer.decision.attempts)),
    ]


async def _send_whole(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
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
    await _send_whole(send, error.status, headers, error_body(error, dialect))
