"""The client's half of HTTP/1.1: a connection to a backend, and the response to one request at a time.

Bodies pass as the bytes that arrived: nothing is decoded, and what arrives while the reader is busy is handed
over in one piece. Everything here belongs to the loop of its transport.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import cast

import httptools

from ..errors import UpstreamFailed, UpstreamTimeout
from .framing import Framing, ends_with_connection, size
from .leaving import LINGER, Leaving
from .limits import HIGH_WATER
from .state import ACTIVE, CLOSED, IDLE, NEW, State
from .sweep import Sweep

MAX_HEADERS = 64 * 1024
"""Bytes of response headers after which a backend is taken for broken."""
RESET = struct.pack("ii", 1, 0) if sys.platform != "win32" else struct.pack("hh", 1, 0)
"""``struct linger``: on, for no time, which closes with RST."""
PART = 256 * 1024
"""Bytes of a long request that are written at once; TLS would take all of it and not tell how far it got."""
MAX_IDLE = 256
IDLE_SECONDS = 50.0
"""Idle connections older than this are not trusted with a request; servers close them at about 60 s."""


class Response:
    """The answer to one request, as it arrives.

    A coroutine waits for it: first the head (:meth:`opened`), then the body (:meth:`read`). Or a
    :attr:`listener` is called after everything that happens, and looks at :attr:`status`, :attr:`chunks`,
    :attr:`complete` and :attr:`error` itself. :meth:`close` may be called at any time: a response that is not
    complete takes its connection with it, which tells the backend to stop.
    """

    __slots__ = (
        "_connection",
        "_waiter",
        "buffered",
        "chunks",
        "complete",
        "error",
        "headers",
        "listener",
        "received",
        "release",
        "status",
    )

    def __init__(self, connection: Connection):
        self.status = self.buffered = 0
        """0 until the head is there; and the bytes of :attr:`chunks`."""
        self.complete = self.received = False
        """Whether the whole body has arrived; whether any byte of the answer has."""
        self.headers: list[tuple[bytes, bytes]] = []
        """Names in lower case."""
        self.chunks: list[bytes] = []
        """What has arrived of the body and was not taken yet."""
        self.error: UpstreamFailed | None = None
        self.listener: Callable[[], None] | None = None
        self.release: Callable[[], None] | None = None
        """To be called once when it is over, by whoever asked for it."""
        self._connection: Connection | None = connection
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes | None:
        """Value of the first header ``name`` (lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def take(self) -> bytes:
        """What has arrived since the last time, ``b""`` where that is nothing."""
        chunks = self.chunks
        chunk = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.chunks = []
        self.buffered = 0
        connection = self._connection
        if connection is not None and connection.paused:
            connection.resume()
        return chunk

    async def opened(self) -> None:
        """Return once status and headers are there. Raises :class:`UpstreamFailed`, and is closed then."""
        try:
            while not self.status:
                if self.error is not None:
                    raise self.error
                await self._change()
        except BaseException:
            self.close()
            raise

    async def read(self) -> bytes:
        """The next bytes of the body, ``b""`` at its end. Raises :class:`UpstreamFailed`."""
        while not self.chunks:
            if self.complete:
                return b""
            if self.error is not None:
                raise self.error
            await self._change()
        return self.take()

    async def read_all(self, limit: int = 1 << 20) -> bytes:
        """The rest of the body, at most ``limit`` bytes; what is over is dropped."""
        parts, size = [], 0
        while size < limit and (chunk := await self.read()):
            parts.append(chunk)
            size += len(chunk)
        return b"".join(parts)[:limit]

    def close(self) -> None:
        """End it; harmless when it is complete."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        self.wake()

    def leave(self) -> None:
        """Nobody reads on, for the answer is whole: the connection is kept if its end comes at once."""
        if self._connection is not None:
            self.listener = Leaving(self, self._connection.hurry())

    def wake(self) -> None:
        """Something happened: tell whoever waits."""
        if self.listener is not None:
            self.listener()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _change(self) -> asyncio.Future[None]:
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        return waiter


class Connection(asyncio.Protocol):
    """The protocol under :class:`Response`; made by :class:`~bago_jupyter.http1.pool.Pool`.

    It puts itself into ``idle`` when it may carry the next request; ``on_lost`` is called when it is gone.
    """

    def __init__(self, sweep: Sweep, idle: list[Connection], on_lost: Callable[[Connection], None]):
        self.state: State = NEW
        self.paused = False
        """Whether reading waits for the reader."""
        self.deadline = math.inf
        self._sweep = sweep
        self._idle = idle
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._response: Response | None = None
        self._timeout = self._silence = math.inf
        self._headers: list[tuple[bytes, bytes]] = []
        self._head = self._body = self._feeding = 0
        """Bytes of the head while it is not complete, of the body, and of the read that is parsed."""
        self._framing = Framing()
        self._unsent = memoryview(b"")
        self._unsent_before = 0
        self._full = False
        """Whether the transport wants nothing more for the moment."""

    def send(self, head: bytes, body: bytes, timeout: float, silence: float = math.inf) -> Response:
        """Begin an exchange on a connection that is new or idle.

        It fails without a response head for ``timeout`` seconds in which nothing more of the request was
        taken either, and without a byte for ``silence`` seconds after that; before the first byte of the body
        the longer of both counts, for a long prompt may be read behind an early head.
        """
        transport = self._transport
        assert transport is not None and self._response is None
        self.state = ACTIVE
        response = self._response = Response(self)
        self._timeout, self._silence = timeout, silence
        self._head = self._body = 0
        self.deadline = time.monotonic() + timeout
        if len(body) < HIGH_WATER:
            transport.write(head + body)
        else:
            transport.write(head)
            self._unsent = memoryview(body)
            self._write_on()
            self._unsent_before = len(self._unsent)
        return response

    def abort(self) -> None:
        """Close at once, with a reset.

        A backend that streams notices a reset at its next write; after an orderly close it writes on
        until the second, which for llama-server is up to a second of a slot.
        """
        self.state = CLOSED
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            if sock is not None and self._response is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    def fail(self, error: UpstreamFailed) -> None:
        """End the exchange with ``error``, and the connection."""
        response = self._response
        self.abort()
        if response is not None:
            self._over(response, error)
            response.wake()

    def hurry(self) -> float:
        """End the exchange where it is not over soon. Returns when that is."""
        self._timeout = self._silence = LINGER
        self.resume()
        self.deadline = time.monotonic() + LINGER
        return self.deadline

    def resume(self) -> None:
        """Read on after a pause; called when the reader caught up."""
        if self.paused and self._transport is not None:
            self.paused = False
            if self._response is not None:
                self.deadline = time.monotonic() + self._patience()
            self._transport.resume_reading()

    def overdue(self, now: float) -> None:
        """Called by the sweep."""
        if self.state is IDLE:
            self.abort()
        elif self._response is None:
            self.deadline = math.inf
        elif self._response.status:
            self.fail(UpstreamTimeout(f"The backend sent nothing for {self._patience():g} s."))
        elif len(self._unsent) < self._unsent_before:  # a slow network is no frozen backend
            self._unsent_before = len(self._unsent)
            self.deadline = now + self._timeout
        else:
            self.fail(UpstreamTimeout(f"The backend sent no response header within {self._timeout:g} s."))

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sweep.watch(self)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._write_on()

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:  # nothing was asked: the backend is out of step
            self.abort()
            return
        response.received = True
        before, began, self._feeding = self._body, response.status, len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._response is not None:
                self.fail(UpstreamFailed(f"The backend answered something that is not HTTP ({error})."))
                return
            self.abort()  # the answer was whole: what came behind it spoils the connection alone
        if self._response is not None:
            self._went_on(response, began > 0, self._body - before)
        elif self.state is IDLE and len(self._idle) < MAX_IDLE:
            self.deadline = time.monotonic() + IDLE_SECONDS
            self._idle.append(self)
        else:
            self.abort()
        if response.listener is not None:
            response.listener()
        else:
            response.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        given_up = self.state is CLOSED
        self._transport = None
        self._parser = None  # type: ignore[assignment]  # it holds on to us: a ring that only the collector breaks
        self.state = CLOSED
        self._sweep.forget(self)
        response = self._response
        if response is not None:
            if exc is None and not given_up and ends_with_connection(response.status, response.headers):
                self._over(response, None)
                response.wake()
            else:
                when = "in the middle of its answer" if response.status else "before it answered"
                self.fail(UpstreamFailed(f"The backend closed the connection {when}.", cause="broken"))
        self._on_lost(self)

    # -- httptools

    def on_message_begin(self) -> None:
        if self._response is None:  # a second answer to one request
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, []
        response = self._response
        if response is None:
            return
        if self._head + self._feeding > MAX_HEADERS and size(headers) > MAX_HEADERS:
            self.fail(UpstreamFailed("The backend's response headers are too large."))
        elif status == 101:
            self.fail(UpstreamFailed("The backend wants to change the protocol."))
        elif status > 599:
            self.fail(UpstreamFailed(f"The backend answered with a status that HTTP has not ({status})."))
        elif status >= 200:  # else 100 Continue, 103 Early Hints (RFC 9110, 15.2)
            response.status = status
            response.headers = headers

    def on_body(self, body: bytes) -> None:
        response = self._response
        if response is None:
            return
        size = len(body)
        response.chunks.append(body)
        response.buffered += size
        self._body += size
        if response.buffered > HIGH_WATER and not self.paused and self._transport is not None:
            self.paused = True
            self.deadline = math.inf
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        response = self._response
        self._headers = []  # trailers, which are dropped (RFC 9110, 6.5.1)
        if response is None or not response.status:
            return
        keep = self._parser.should_keep_alive() and not self._unsent
        if self.paused:
            self.resume()
        self._over(response, None)
        if not keep:
            self.abort()
        elif self.state is ACTIVE:
            self.state = IDLE

    # -- inside

    def _over(self, response: Response, error: UpstreamFailed | None) -> None:
        self._response = None
        if self._unsent:
            self._unsent = memoryview(b"")
        self._unsent_before = 0
        response.error = error
        response.complete = error is None
        response._connection = None

    def _patience(self) -> float:
        """Seconds for which the backend may be silent after its head."""
        return self._silence if self._body else max(self._silence, self._timeout)

    def _went_on(self, response: Response, began: bool, body: int) -> None:
        """More came, and not all: a head, extensions and trailers without end are cut off."""
        if not response.status:
            self._head += self._feeding
            if self._head > 2 * MAX_HEADERS:
                self.fail(UpstreamFailed("The backend's response headers are too large."))
            return
        if not began:
            self._framing.reset()
        elif self._framing.excessive(self._feeding, body):
            self.fail(UpstreamFailed("The backend sends chunk extensions or trailers without end."))
            return
        if not self.paused:
            self.deadline = time.monotonic() + self._patience()

    def _write_on(self) -> None:
        while self._unsent and not self._full and self._transport is not None:
            if self._transport.is_closing():
                return
            part, self._unsent = self._unsent[:PART], self._unsent[PART:]
            self._transport.write(part)


def kept(idle: list[Connection]) -> Connection | None:
    """Take a connection out of ``idle`` that can carry the next request: the one that was used last."""
    while idle:
        connection = idle.pop()
        if connection.state is IDLE:
            return connection
    return None
