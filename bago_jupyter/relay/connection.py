"""One HTTP/1.1 connection to a backend, and one exchange on it at a time.

Bodies pass through as the bytes that arrived: nothing is decoded, and what arrives while the
reader is busy is handed over in one piece. Everything here belongs to the loop of its transport.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from ..errors import UpstreamFailed, UpstreamTimeout

MAX_HEADERS = 64 * 1024
"""Bytes of response headers after which a backend is taken for broken."""
RESET = struct.pack("ii", 1, 0) if sys.platform != "win32" else struct.pack("hh", 1, 0)
"""``struct linger``: on, for no time, which closes with RST."""
HIGH_WATER = 256 * 1024
"""Bytes waiting for the client at which reading from the backend pauses."""
PART = 256 * 1024
"""Bytes of a long request that are written at once; TLS would take all of it and not tell how far it got."""


class Exchange:
    """One request on its way: first the head (:meth:`opened`), then the body (:meth:`read`).

    :meth:`close` may be called at any time: an exchange that is not complete takes its connection
    with it, which tells the backend to stop.
    """

    __slots__ = ("_buffered", "_chunks", "_connection", "_error", "_finished", "_waiter", "headers", "status")

    def __init__(self, connection: Connection):
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._finished = False
        self._connection: Connection | None = connection
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._error: UpstreamFailed | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole body has arrived."""
        return self._finished

    def header(self, name: bytes) -> bytes | None:
        """Value of the first header ``name`` (lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    async def opened(self) -> None:
        """Return once status and headers are there. Raises :class:`UpstreamFailed`, and is closed then."""
        try:
            while not self.status:
                if self._error is not None:
                    raise self._error
                await self._change()
        except BaseException:
            self.close()
            raise

    async def read(self) -> bytes:
        """The next bytes of the body, ``b""`` at its end. Raises :class:`UpstreamFailed`."""
        while not self._chunks:
            if self._finished:
                return b""
            if self._error is not None:
                raise self._error
            await self._change()
        chunk = self._chunks.popleft() if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        if self._connection is not None and self._connection.paused:
            self._connection.resume()
        return chunk

    async def read_all(self, limit: int = 1 << 20) -> bytes:
        """The rest of the body, at most ``limit`` bytes; what is over is dropped."""
        parts, size = [], 0
        while size < limit and (chunk := await self.read()):
            parts.append(chunk)
            size += len(chunk)
        return b"".join(parts)[:limit]

    def close(self) -> None:
        """End the exchange; harmless when it is complete."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        self._wake()

    def fail(self, error: UpstreamFailed) -> None:
        """Break the exchange off: whoever waits for it gets ``error``."""
        if self._connection is not None:
            self._connection.fail(error)

    def _change(self) -> asyncio.Future[None]:
        """Done when something has happened."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        return waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: UpstreamFailed) -> None:
        self._error = error
        self._connection = None
        self._wake()

    def _finish(self) -> None:
        self._finished = True
        self._connection = None
        self._wake()


class Connection(asyncio.Protocol):
    """The protocol under :class:`Exchange`; made by :class:`~bago_jupyter.relay.pool.Pool`."""

    def __init__(self, on_idle: Callable[[Connection], None], on_lost: Callable[[Connection], None]):
        self._loop = asyncio.get_running_loop()
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._header_bytes = 0
        self._until_eof = True
        self.paused = False
        """Whether reading waits for the reader."""
        self._unsent = memoryview(b"")
        self._unsent_before = 0
        self._full = False
        """Whether the transport wants nothing more for the moment."""
        self._reusable = False
        self.received = False
        """Whether any byte of the current answer arrived."""

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, head: bytes, body: bytes, timeout: float) -> Exchange:
        """Begin an exchange.

        It fails without a response head for ``timeout`` seconds, in which nothing more of the request was
        taken either.
        """
        assert self._transport is not None and self._exchange is None
        self.received = False
        exchange = self._exchange = Exchange(self)
        self._deadline = self._loop.call_later(timeout, self._late, timeout)
        if len(body) < HIGH_WATER:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._unsent = memoryview(body)
            self._write_on()
            self._unsent_before = len(self._unsent)
        return exchange

    def abort(self) -> None:
        """Close at once, with a reset.

        A backend that streams notices a reset at its next write; after an orderly close it writes on
        until the second, which for llama-server is up to a second of a slot.
        """
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            if sock is not None and self._exchange is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    def fail(self, error: UpstreamFailed) -> None:
        """End the exchange with ``error``, and the connection."""
        exchange = self._exchange
        self.abort()
        self._end()
        if exchange is not None:
            exchange._fail(error)

    def resume(self) -> None:
        """Read on after a pause; called when the reader caught up."""
        if self.paused and self._transport is not None:
            self.paused = False
            self._transport.resume_reading()

    def _write_on(self) -> None:
        while self._unsent and not self._full and self.alive:
            part, self._unsent = self._unsent[:PART], self._unsent[PART:]
            assert self._transport is not None
            self._transport.write(part)

    # -- asyncio.Protocol

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._write_on()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:  # nothing was asked: the backend is out of step
            self.abort()
            return
        self.received = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(UpstreamFailed(f"The backend answered something that is not HTTP ({error})."))
        else:
            if self._reusable:
                self._reusable = False
                if self.alive:
                    self._on_idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        exchange = self._exchange
        if exchange is not None:
            if exchange.status and self._until_eof and exc is None:
                self._end()
                exchange._finish()
            else:
                when = "in the middle of its answer" if exchange.status else "before it answered"
                self.fail(UpstreamFailed(f"The backend closed the connection {when}.", cause="broken"))
        self._on_lost(self)

    # -- httptools

    def on_message_begin(self) -> None:
        if self._exchange is None:  # a second answer to one request
            self._reusable = False
            self.abort()
        self._headers = []
        self._header_bytes = 0
        self._until_eof = True

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADERS:
            self.fail(UpstreamFailed("The backend's response headers are too large."))
            return
        if name == b"content-length" or (name == b"transfer-encoding" and b"chunked" in value.lower()):
            self._until_eof = False
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._exchange is None:
            return
        if status == 101:
            self.fail(UpstreamFailed("The backend wants to change the protocol."))
            return
        if status > 599:
            self.fail(UpstreamFailed(f"The backend answered with a status that HTTP has not ({status})."))
            return
        if status < 200:  # 100 Continue, 103 Early Hints (RFC 9110, 15.2)
            return
        self._clear_deadline()
        if status in (204, 304):
            self._until_eof = False
        self._exchange.status = status
        self._exchange.headers = self._headers
        self._exchange._wake()

    def on_body(self, body: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        exchange._chunks.append(body)
        exchange._buffered += len(body)
        exchange._wake()
        if exchange._buffered > HIGH_WATER and not self.paused and self._transport is not None:
            self.paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None or not exchange.status:
            return
        self._reusable = self._parser.should_keep_alive() and not self._until_eof and not self._unsent
        self.resume()
        self._end()
        exchange._finish()
        if not self._reusable:
            self.abort()

    def _end(self) -> None:
        self._clear_deadline()
        self._exchange = None
        self._unsent = memoryview(b"")
        self._unsent_before = 0

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self, timeout: float) -> None:
        self._deadline = None
        if len(self._unsent) < self._unsent_before:  # a slow network is no frozen backend
            self._unsent_before = len(self._unsent)
            self._deadline = self._loop.call_later(timeout, self._late, timeout)
            return
        self.fail(UpstreamTimeout(f"The backend sent no response header within {timeout:g} s."))
