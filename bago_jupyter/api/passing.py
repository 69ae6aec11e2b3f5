"""What a peer answers to a management request, passed on to a face of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..backends.base import Answering
from ..backends.hushed import hushed_body

MOST = 1024 * 1024
"""Bytes of one event, or of an answer that is no stream; what is longer ends there."""
EVENTS = b"text/event-stream"
JSON = b"application/json"


def kind_of(exchange: Answering) -> str:
    """The content type to pass on: one of the two that there are."""
    events = (exchange.header(b"content-type") or b"").startswith(EVENTS)
    return (EVENTS if events else JSON).decode()


async def passed_on(exchange: Answering) -> AsyncIterator[bytes]:
    """Its body, event by event or whole, without control characters. Closes ``exchange`` at its end."""
    whole = kind_of(exchange) == JSON.decode()
    rest = bytearray()
    try:
        while chunk := await exchange.read():
            rest += chunk
            if not whole:
                *lines, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
                if told := b"".join(_line(line) for line in lines):
                    yield told
            if len(rest) > MOST:
                return
        if rest:
            yield hushed_body(bytes(rest)) if whole else _line(bytes(rest))
    finally:
        exchange.close()


def _line(line: bytes) -> bytes:
    field, colon, value = line.rstrip(b"\r").partition(b":")
    if field == b"data" and colon:
        return b"data: " + hushed_body(value.strip()) + b"\n"
    return b": still at it\n" if colon and not field else b"\n"
