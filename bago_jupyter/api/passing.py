"""What a peer answers to a management request, passed on to a face of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..backends.base import Answering
from ..backends.hushed import hushed_body
from ..errors import BagoError, UpstreamFailed
from ..wire import JobEvent
from .jobs import failure, sse

MOST = 1024 * 1024
"""Bytes of one event, or of an answer that is no stream; what is longer is an error."""
EVENTS = b"text/event-stream"


async def passed_on(exchange: Answering, node: str) -> Response:
    """The answer of ``node``, event by event or whole, without control characters.

    Closes ``exchange`` once it is over, or nobody waits for it any more. Raises a :class:`BagoError` where it
    is no stream and does not come whole.
    """
    if (exchange.header(b"content-type") or b"").startswith(EVENTS):
        return _Passed(exchange, node)
    try:
        body = bytearray()
        while chunk := await exchange.read():
            body += chunk
            if len(body) > MOST:
                raise UpstreamFailed(f"The answer of {node} is larger than {MOST >> 20} MiB.")
    finally:
        exchange.close()
    return Response(hushed_body(bytes(body)), exchange.status, media_type="application/json")


class _Passed(StreamingResponse):
    """A stream of job events. One that breaks off ends with the error."""

    def __init__(self, exchange: Answering, node: str):
        super().__init__(_events(exchange, node), exchange.status, media_type=EVENTS.decode())
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._exchange.close()


async def _events(exchange: Answering, node: str) -> AsyncIterator[bytes]:
    rest = bytearray()
    try:
        while chunk := await exchange.read():
            rest += chunk
            if b"\n" in chunk:
                *lines, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
                yield b"".join(map(_line, lines))
            if len(rest) > MOST:
                raise UpstreamFailed(f"{node} sent an event that is too long.")
    except BagoError as error:
        yield b"\n" + sse(JobEvent(error=failure(error)))  # its line may have ended, its event not
    else:
        if rest:
            yield _line(bytes(rest))


def _line(line: bytes) -> bytes:
    field, colon, value = line.rstrip(b"\r").partition(b":")
    if field == b"data" and colon:
        return b"data: " + hushed_body(value.strip()) + b"\n"
    return b": still at it\n" if colon and not field else b"\n"
