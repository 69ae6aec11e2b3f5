"""A backend's exchange, heard in the client's dialect."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ...errors import BagoError, UpstreamFailed
from ..base import Answering
from .failures import error_body, read_body
from .retelling import Retelling
from .shapes import ClientDialect

MAX_WHOLE = 64 << 20
"""Bytes of an answer that is translated in one piece."""
_OF_THE_BODY = frozenset({b"content-type", b"content-length", b"content-encoding", b"transfer-encoding"})
"""Headers that describe the backend's body, not the translated one."""


class TranslatedExchange:
    """An :class:`~bago_jupyter.backends.base.Answering` around another. Belongs to the loop of that one.

    An error in the middle of a stream is raised, as every other break is, with the status and type that the
    backend told; whoever passes the stream on ends it with an error event of the client's dialect.
    """

    def __init__(
        self,
        exchange: Answering,
        *,
        client: ClientDialect,
        whole: Callable[[bytes], bytes],
        stream: Retelling | None,
    ):
        self._exchange = exchange
        self._client = client
        self._whole = whole
        self._backend_status = exchange.status
        self._failed = exchange.status >= 400
        self._given = False
        self._broken: BagoError | None = None
        self._stream = None if self._failed else stream
        self.status = 503 if exchange.status == 529 else exchange.status
        kind = b"application/json" if self._stream is None else b"text/event-stream; charset=utf-8"
        self.headers = [(name, value) for name, value in exchange.headers if name not in _OF_THE_BODY]
        self.headers.append((b"content-type", kind))

    @property
    def complete(self) -> bool:
        if self._broken is not None or (self._stream is not None and self._stream.failure is not None):
            return False
        return self._exchange.complete

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises :class:`UpstreamFailed`."""
        if self._broken is not None:
            raise self._broken
        try:
            return await self._read()
        except BagoError as error:
            if self._stream is None or self._stream.failure is None:
                self._broken = error
            raise

    async def _read(self) -> bytes:
        return await (self._read_whole() if self._stream is None else self._read_stream(self._stream))

    def close(self) -> None:
        self._exchange.close()

    async def _read_whole(self) -> bytes:
        if self._given:
            return b""
        parts, size = [], 0
        while chunk := await self._exchange.read():
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_WHOLE:
                raise UpstreamFailed(f"The backend's answer is larger than {MAX_WHOLE >> 20} MiB.")
        body = b"".join(parts)
        self._given = True
        if self._failed:
            return error_body(read_body(self._backend_status, body), self._client)
        try:
            return self._whole(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamFailed("The backend's answer cannot be read.") from None

    async def _read_stream(self, stream: Retelling) -> bytes:
        while True:
            if stream.failure is not None:
                raise stream.failure
            try:
                chunk = await self._exchange.read()
            except UpstreamFailed:
                told = stream.end() if self._client == "messages" else b""
                if not told or stream.failure is not None:  # it is not whole
                    stream.failure = None
                    raise
                return told
            told = stream.feed(chunk) if chunk else b""
            if not chunk or self._exchange.complete:
                told += stream.end()
            if told or (not chunk and stream.failure is None):
                return told
