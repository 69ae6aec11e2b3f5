"""What somebody else answered, as it may be passed on: without our key and control characters."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from ..errors import UpstreamFailed
from ..hidden import MASK, unrepeated
from ..text import calm
from ..trust.secret import Secret
from .base import Answering
from .coded import plain as unpacked

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
        text = key.reveal() if key is not None else ""
        self._key = text if len(text) >= WORD else None
        self._read = False
        self.headers = [
            (name, _without(value.decode("latin-1"), self._key).encode("latin-1"))
            for name, value in exchange.headers
        ]

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
