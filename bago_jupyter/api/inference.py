"""The hot path: one inference request from ASGI to a backend and back, as bytes."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from ..backends import Answer, Records, Request
from ..backends.complaints import retell
from ..backends.failures import seconds
from ..errors import BagoError, MethodNotAllowed, Unavailable
from ..relay import WholeEvents
from ..router import Shape
from ..router.shape import Dialect
from ..trust.peers import Peer
from .body import read_shape
from .callers import Callers
from .context import Context
from .dialects import Endpoint, error_event
from .respond import read_body, send_error, send_whole, started

log = logging.getLogger("bago.api")

FORWARDED = (b"accept", b"anthropic-version", b"anthropic-beta", b"openai-beta")
"""Headers of the client that a backend may see."""
JSON = (b"content-type", b"application/json")
"""What the body was found to be, whatever the client called it: llama-server takes only 8 KiB of what
curl sends without being told."""
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
        b"x-bago-node",
        b"x-bago-attempts",
        b"x-bago-queue",
        b"location",
        b"refresh",
        b"link",
        b"alt-svc",
        b"clear-site-data",
        b"strict-transport-security",
        b"www-authenticate",
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-expose-headers",
        b"access-control-max-age",
    }
)
"""Headers of a backend that end here: hop by hop (RFC 9110, 7.6.1), ours to say, or for its own origin."""
MOST_OF_AN_ERROR = 1024 * 1024
"""Bytes of a backend's error that are read."""
GONE = "bago.gone"
"""Key of the ASGI scope under which the server looks for what to call when the client goes away."""

STOPPING = Unavailable("The node is stopping; ask again in a moment.", retry_after=2.0)
_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_prefix = secrets.token_hex(6)
_count = itertools.count(1)


class Inference:
    """Serves the routes of :data:`~bago_jupyter.api.dialects.ENDPOINTS`. Belongs to the node's loop."""

    def __init__(self, context: Context):
        self._context = context
        self._callers = Callers(context)

    async def __call__(
        self,
        endpoint: Endpoint,
        scope: Any,
        receive: Any,
        send: Any,
        headers: dict[bytes, bytes],
        *,
        peer: Peer | None = None,
        admit: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Answer one request, of a client or of paired ``peer``; ``admit`` is awaited once it is read."""
        given = headers.get(b"x-request-id")
        fits = given is not None and _ID.fullmatch(given) and given.decode() not in self._records
        id = given.decode() if given is not None and fits else f"req_{_prefix}{next(_count):x}"
        task = asyncio.current_task()
        assert task is not None
        scope[GONE] = task.cancel
        pace = self._context.pace
        pace.enter()
        answer: Answer | None = None
        try:
            request, shape = await self._read(endpoint, scope, receive, headers, id, peer)
            if admit is not None:
                await admit()
            answer = await self._context.dispatcher.open(request, shape)
            await _relay(answer, endpoint.dialect, id, scope, send)
        except asyncio.CancelledError:
            if scope[GONE] is not None and not started(send):  # the node stops, the client is still there
                await send_error(send, STOPPING, endpoint.dialect, id)
        except BagoError as error:
            await send_error(send, error, endpoint.dialect, id)
        finally:
            scope[GONE] = None
            if answer is not None:
                answer.close()
            pace.leave()

    @property
    def _records(self) -> Records:
        return self._context.dispatcher.records

    async def _read(
        self,
        endpoint: Endpoint,
        scope: Any,
        receive: Any,
        headers: dict[bytes, bytes],
        id: str,
        peer: Peer | None,
    ) -> tuple[Request, Shape]:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"Use POST for {scope['path']}.", allow="POST")
        caller = self._callers.client(headers, scope) if peer is None else self._callers.peer(peer)
        body = await read_body(receive, headers, self._context.settings.max_body)
        shape = read_shape(body, endpoint, caller, relayed=peer is not None)
        request = Request(
            id=id,
            path=endpoint.path,
            body=body,
            model=shape.model,
            dialect=shape.dialect,
            stream=shape.stream,
            headers=[JSON, *[(name, headers[name]) for name in FORWARDED if name in headers]],
            header_timeout=self._context.settings.header_timeout,
        )
        return request, shape


async def _relay(answer: Answer, dialect: Dialect, id: str, scope: Any, send: Any) -> None:
    """Pass the answer on. Returns when the client has it all, or the stream ended with an error event."""
    status = answer.status
    if status >= 400:
        body = await answer.read_all(MOST_OF_AN_ERROR)
        error = retell(status, body)
        if error is not None:
            error.retry_after = seconds(answer.retry_after)
            await send_error(send, error, dialect, id)
            return
    headers = [pair for pair in answer.headers if pair[0] not in DROPPED]
    headers += _ours(answer, id)
    if status >= 400:
        await send_whole(send, status, headers, body)
        return
    if answer.complete:
        await send_whole(send, status, headers, await answer.read_all())
        return
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if answer.usage.stream:
        await _relay_events(answer, dialect, id, scope, send)
    else:
        await _relay_bytes(answer, id, send)


async def _relay_events(answer: Answer, dialect: Dialect, id: str, scope: Any, send: Any) -> None:
    events = WholeEvents()
    try:
        while chunk := await answer.read():
            if whole := events.feed(chunk):
                await send({"type": "http.response.body", "body": whole, "more_body": True})
        last = events.rest()
    except BagoError as error:
        log.warning("%s: %s", id, error.message)
        last = error_event(error, dialect)
    except asyncio.CancelledError:
        if scope[GONE] is None:  # nobody is there to be told
            raise
        last = error_event(STOPPING, dialect)
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
