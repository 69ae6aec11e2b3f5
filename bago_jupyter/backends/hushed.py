"""What somebody else answered, as it may be passed on: without our key and control characters."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from ..errors import BagoError, UpstreamFailed
from ..hidden import MASK, unrepeated
from ..http1 import WholeEvents
from ..text import calm
from ..trust.secret import Secret
from .base import Answering
from .coded import unpacked
from .sound import told_error

MOST = 1024 * 1024
"""Bytes of an error that are read."""
PATIENCE = 15.0
"""Seconds that it may take from its head to its end; then what has come is all."""
WORD = 4
"""Characters of a key below which it cannot be told from other text."""


def hushed(exchange: Answering, key: Secret | None) -> Answering:
    """``exchange``, or what may be passed on of it where it is an error of one who was asked with ``key``."""
    return exchange if exchange.status < 400 else _Hushed(exchange, key)


class _Hushed:
    """An :class:`Answering` around another, read in one piece. Belongs to the loop of that one."""

    def __init__(self, exchange: Answering, key: Secret | None):
        self.status = exchange.status
        self._exchange = exchange = unpacked(exchange)
        self._key = _sought(key)
        self._read = False
        self.headers = hushed_headers(exchange.headers, key)

    @property
    def complete(self) -> bool:
        return self._exchange.complete

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def read(self) -> bytes:
        """The whole body, then ``b""``. Raises :class:`UpstreamFailed` where nothing came of it."""
        if self._read:
            return b""
        self._read = True
        parts, size = [], 0
        try:
            async with asyncio.timeout(PATIENCE):
                while size < MOST and (chunk := await self._exchange.read()):
                    parts.append(chunk)
                    size += len(chunk)
        except (UpstreamFailed, TimeoutError) as error:
            if not parts and isinstance(error, UpstreamFailed):
                raise
        body = b"".join(parts)[:MOST]
        return hushed_body(body, self._key)

    def close(self) -> None:
        self._exchange.close()


def guarded(exchange: Answering, key: Secret | None, stream: bool) -> Answering:
    """``exchange`` of one who was asked with ``key``, whose errors under a status of success do not repeat
    it, be they raised or events of a ``stream``."""
    return exchange if key is None or exchange.status >= 400 else _Guarded(exchange, key, stream)


class _Guarded:
    """An :class:`Answering` around another. Belongs to the loop of that one."""

    def __init__(self, exchange: Answering, key: Secret, stream: bool):
        self.status, self.headers = exchange.status, exchange.headers
        self._exchange = exchange
        self._key = key
        self._events = WholeEvents() if stream else None
        self._broken: BagoError | None = None

    @property
    def complete(self) -> bool:
        return self._broken is None and self._exchange.complete

    def header(self, name: bytes) -> bytes | None:
        return self._exchange.header(name)

    async def read(self) -> bytes:
        """The next bytes, of a stream whole events, ``b""`` at the end. Raises a :class:`BagoError`."""
        if self._broken is not None:
            raise self._broken
        events, over = self._events, False
        while not over:
            try:
                chunk = await self._exchange.read()
            except BagoError as error:
                broken = without_key(error, self._key)
                chunk = b"" if events is None else events.rest()
                if not chunk:
                    raise
                self._broken = broken
                return chunk
            self.status, self.headers = self._exchange.status, self._exchange.headers
            if events is None:
                return chunk
            over = not chunk
            if chunk:
                chunk = events.feed(chunk)
            if over or self._exchange.complete:
                chunk += events.rest()
            if chunk:
                return hushed_events(chunk, self._key) if b"error" in chunk else chunk
        return b""

    def close(self) -> None:
        self._exchange.close()


def without_key(error: BagoError, key: Secret | None) -> BagoError:
    """``error``, whose message repeats no ``key`` from now on."""
    error.message = _without(error.message, _sought(key))
    error.args = (error.message,)
    return error


def hushed_events(events: bytes, key: Secret | None) -> bytes:
    """Whole events of a stream, of which those that are errors are hushed like the body of one."""
    told: list[bytes] = []
    event: list[bytes] = []
    for line in events.splitlines(keepends=True):
        event.append(line)
        if not line.strip(b"\r\n"):
            told += _hushed_event(event, key)
            event = []
    return b"".join(told + _hushed_event(event, key))


def _hushed_event(lines: list[bytes], key: Secret | None) -> list[bytes]:
    fields = [line.rstrip(b"\r\n").partition(b":") for line in lines]
    data = b"\n".join(value.removeprefix(b" ") for name, _, value in fields if name == b"data")
    named = any(name == b"event" and value.strip() == b"error" for name, _, value in fields)
    certain = any(name == b"error" for name, _, _ in fields)  # llama-server's
    if not certain and (not data or told_error(data, event=True, certain=named) is None):
        return lines
    return [_hushed_line(line, key) for line in lines]


def _hushed_line(line: bytes, key: Secret | None) -> bytes:
    bare = line.rstrip(b"\r\n")
    name, colon, value = bare.partition(b":")
    blank = value[: len(value) - len(value.lstrip(b" "))]
    return name + colon + blank + hushed_body(value[len(blank) :], _sought(key)) + line[len(bare) :]


def _sought(key: Secret | None) -> str | None:
    text = key.reveal() if key is not None else ""
    return text if len(text) >= WORD else None


def hushed_headers(headers: list[tuple[bytes, bytes]], key: Secret | None) -> list[tuple[bytes, bytes]]:
    """Headers of an answer of one who was asked with ``key``, without it."""
    text = _sought(key)
    return [(name, _without(value.decode("latin-1"), text).encode("latin-1")) for name, value in headers]


def hushed_body(body: bytes, key: str | None = None) -> bytes:
    """JSON or text of somebody else, without ``key`` and without control characters."""
    try:
        told = msgspec.json.decode(body)
        said = _said(told, key)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _text(body.decode("utf-8", "replace"), key).encode()
    return body if said == told else msgspec.json.encode(said)


def _said(told: Any, key: str | None) -> Any:
    if isinstance(told, str):
        return _text(told, key)
    if isinstance(told, list):
        return [_said(item, key) for item in told]
    if isinstance(told, dict):
        return {_text(name, key): _said(value, key) for name, value in told.items()}
    return told


def _text(text: str, key: str | None) -> str:
    return _without(calm(text), key)


def _without(text: str, key: str | None) -> str:
    return unrepeated(text.replace(key, MASK) if key else text)
