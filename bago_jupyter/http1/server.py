"""The server's half of HTTP/1.1: one connection of a client, and the requests that arrive on it."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import httptools

from ..errors import BagoError, InvalidRequest
from . import limits
from .head import check_body, check_head, has_body, too_large
from .incoming import Admission, Application, Incoming
from .state import ACTIVE, CLOSED, IDLE, NEW, State
from .strangers import is_loopback
from .sweep import Sweep

if TYPE_CHECKING:
    from .listener import Listener

__all__ = ["Admission", "Application", "Incoming", "ServerConnection"]

OFFERS = frozenset({b"upgrade", b"connection", b"http2-settings"})
"""Headers with which a client offers to change the protocol."""


class ServerConnection(asyncio.Protocol):
    """Reads requests, hands them to an application in their order, and writes its answers.

    Of requests that are pipelined (RFC 9112, 9.3.2) one is answered at a time; while others wait nothing more
    is read. A request that is refused before its body has arrived is the last one of its connection. An offer
    to change the protocol is declined: Java's client makes one with every first request.
    """

    def __init__(
        self,
        app: Application,
        listener: Listener,
        sweep: Sweep,
        identify: Callable[[ssl.SSLObject], str | None],
    ):
        self.state: State = NEW
        self.deadline = math.inf
        self.sweep = sweep
        self.peer: str | None = None
        """Fingerprint of the certificate that a TLS client proved to have."""
        self.address: tuple[str, int] | None = None
        self.local = False
        self.secure = False
        self.full = False
        """Whether the client does not keep up with what is written."""
        self.stranger = False
        """Whether it comes from another machine, and has shown no right to be here."""
        self._app = app
        self._listener = listener
        self._identify = identify
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head = 0
        """Bytes that arrived of a head which is not complete."""
        self._arriving: Incoming | None = None
        """Its head is there, its body is not."""
        self._answering: Incoming | None = None
        self._behind: deque[Incoming] = deque()
        """Pipelined requests that wait."""
        self._chunks: list[bytes] = []
        self._body = self._framing = self._without_body = 0
        """Bytes of the body, bytes beside it, and those of the latter since there was any body."""
        self._dropped = self._unsent = 0
        self._waits = 0.0
        """Seconds that were given for what is incomplete: :data:`~.limits.HEAD` or :data:`~.limits.BODY`."""
        self._lasting: tuple[tuple[object, ...], Admission] | None = None
        """What a head said whose admission lasts, and that one."""

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        address = transport.get_extra_info("peername")
        self.address = (address[0], address[1]) if address else None
        self.local = self.address is None or is_loopback(self.address[0])
        tls = transport.get_extra_info("ssl_object")
        self.secure = tls is not None
        if tls is not None:
            self.peer = self._identify(tls)
        self.stranger = not self.local
        self._wait(limits.HEAD)
        self.sweep.watch(self)
        self._listener.made(self)

    def data_received(self, data: bytes) -> None:
        if self.state is CLOSED:
            self._drop(len(data))
            return
        self.state = ACTIVE
        before = self._body
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserError:
            if self.state is not CLOSED:
                self._malformed("Invalid HTTP request received.")
        if self._answering is None or self._arriving is not None:
            self._incomplete(len(data), self._body - before)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if self._answering is not None and self._answering.owner is not None:
            self._answering.owner.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = CLOSED
        self._transport = None
        self._parser = None  # type: ignore[assignment]  # it holds on to us: a ring that only the collector breaks
        self.sweep.forget(self)
        self._listener.lost(self)
        answering, self._answering, self._arriving = self._answering, None, None
        self._behind.clear()
        if answering is not None:
            answering.left()

    # -- httptools

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._arriving is None:  # else a trailer, which is dropped (RFC 9110, 6.5.1)
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser.should_upgrade():
            return
        version = parser.get_http_version()
        old = version != "1.1"
        keep_alive = not old and parser.should_keep_alive()
        incoming = Incoming(self, parser.get_method(), self._target, self._headers, keep_alive, old)
        self._target, self._headers, self._head = b"", [], 0
        self._arriving = incoming
        if self.state is CLOSED:
            return
        if old and version != "1.0":
            self._refuse(incoming, InvalidRequest("This server speaks HTTP/1.1 and HTTP/1.0."))
            return
        lasting = self._lasting
        if (
            lasting is not None
            and lasting[0] == self._says(incoming)
            and int(incoming.first.get(b"content-length", b"0")) <= lasting[1].limit
        ):
            incoming.admission = lasting[1]
        else:
            self._admit(incoming)

    def on_body(self, body: bytes) -> None:
        incoming = self._arriving
        if incoming is None or self.state is CLOSED:
            return
        self._chunks.append(body)
        self._body += len(body)
        if incoming.admission is not None and self._body > incoming.admission.limit:
            self._refuse(incoming, too_large(incoming.admission.limit))

    def on_message_complete(self) -> None:
        incoming = self._arriving
        if incoming is None or self.state is CLOSED:
            return
        chunks = self._chunks
        if chunks:
            incoming.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._chunks = []
            self._body = self._framing = self._without_body = 0
        self._arriving = None
        self._waits = 0.0
        incoming.arrived = True
        if self._answering is None:
            self._serve(incoming)
        else:
            self._queue(incoming)

    # -- what the answers need

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        if self._transport is not None:
            self._transport.write(data)

    def answered(self, incoming: Incoming) -> None:
        """The answer to ``incoming`` is whole: go on with the next request, or close."""
        incoming.owner = None
        self._answering = None
        if not incoming.arrived:
            self._linger()
        elif not incoming.keep_alive:
            self.close()
        elif self._behind:
            following = self._behind.popleft()
            if not self._behind and self._transport is not None:
                self._transport.resume_reading()
            asyncio.get_running_loop().call_soon(self._serve, following)
            self._answering = following
        elif self._arriving is None:
            self.state = IDLE
            self.deadline = time.monotonic() + limits.KEEP_ALIVE

    def known(self) -> None:
        """Whoever is there has shown a right to be."""
        if self.stranger:
            self.stranger = False
            self._listener.known(self)

    def close(self) -> None:
        """Close in an orderly way: what was written is sent."""
        self.state = CLOSED
        if self._transport is not None:
            self._wait(limits.BODY)
            self._unsent = self._transport.get_write_buffer_size()
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self.state = CLOSED
        if self._transport is not None:
            self._transport.abort()

    # -- what the listener needs

    @property
    def busy(self) -> bool:
        """Whether something is being answered."""
        return self._answering is not None

    def finish(self) -> None:
        """The server stops: end with the answer that is under way."""
        if self._answering is None:
            self.close()
        else:
            self._answering.keep_alive = False
            self._behind.clear()

    def stop(self) -> None:
        """End the answer that is under way."""
        if self._answering is not None and self._answering.owner is not None:
            self._answering.owner.stop()

    def overdue(self, now: float) -> None:
        """Called by the sweep."""
        if self._answering is not None and self._arriving is None:
            self.deadline = math.inf  # its deadlines are those of whoever answers
            return
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if unsent < self._unsent:  # a slow client is no dead one
            self._unsent = unsent
            self.deadline = now + limits.BODY
        else:
            self.abort()

    # -- inside

    def _decline(self, rest: bytes) -> None:
        """Go on without the offer, as a server may (RFC 9110, 7.8); llhttp took it for the end of HTTP."""
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        if method == b"CONNECT":
            self._malformed("This is no proxy.")
            return
        lines = [b"%s %s HTTP/%s" % (method, self._target, version)]
        lines += [name + b": " + value for name, value in self._headers if name not in OFFERS]
        self._target, self._headers = b"", []
        self._parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _admit(self, incoming: Incoming) -> None:
        try:
            check_head(incoming)
        except BagoError as error:
            self._refuse(incoming, error)
            return
        try:
            admission = self._app.admit(incoming)
            check_body(incoming, admission.limit)
        except Exception as error:
            if self.stranger or has_body(incoming):
                self._refuse(incoming, error)
            else:
                incoming.error = error
            return
        incoming.admission = admission
        expects = b"expect" in incoming.first
        if admission.lasting and not expects and not incoming.extra and not incoming.old:
            self._lasting = self._says(incoming), admission
        if expects and not incoming.old and self._answering is None:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _says(self, incoming: Incoming) -> tuple[object, ...]:
        """What an admission depends on. A head that says a thing twice is never the same as another."""
        first = incoming.first
        return (
            self._app.epoch if len(first) == len(incoming.headers) <= limits.MAX_HEADERS else incoming,
            first.get(b"transfer-encoding"),
            incoming.old,
            incoming.method,
            incoming.target,
            *map(first.get, self._app.telling),
        )

    def _refuse(self, incoming: Incoming, error: Exception) -> None:
        """Answer with ``error`` when its turn comes; nothing that follows is read as a request any more."""
        incoming.error = error
        incoming.keep_alive = False
        self._chunks = []
        self.state = CLOSED
        if self._answering is None:
            self._serve(incoming)
        else:
            self._behind.append(incoming)

    def _malformed(self, what: str) -> None:
        incoming = self._arriving or Incoming(self, b"GET", b"*", [], keep_alive=False, old=False)
        self._refuse(incoming, InvalidRequest(what))

    def _queue(self, incoming: Incoming) -> None:
        if len(self._behind) >= limits.PIPELINED:
            self._refuse(incoming, InvalidRequest("Too many requests at once on one connection."))
            return
        self._behind.append(incoming)
        if self._transport is not None:
            self._transport.pause_reading()

    def _serve(self, incoming: Incoming) -> None:
        if self._transport is None:
            return
        self._answering = incoming
        if incoming.admission is not None and incoming.error is None:
            try:
                incoming.admission.serve(incoming)
            except Exception as error:
                self._app.refuse(incoming, error)
        else:
            self._app.refuse(incoming, incoming.error or InvalidRequest("That is no request."))

    def _incomplete(self, size: int, body: int) -> None:
        """Bound what a request that has not arrived yet may take."""
        if self.state is CLOSED:
            return
        if self._arriving is None:
            self._head += size
            if self._head > limits.MAX_HEAD:
                self._malformed(f"The head of a request is at most {limits.MAX_HEAD >> 10} KiB.")
            elif self._waits != limits.HEAD:
                self._wait(limits.HEAD)
            return
        self._without_body = 0 if body else self._without_body + size
        self._framing += size - body
        if self._waits != limits.BODY:  # the head came with it
            self._framing = self._without_body = 0
            self._wait(limits.BODY)
        elif (
            self._without_body > limits.FRAMING
            or self._framing > limits.FRAMING + limits.FRAMING_PER_BYTE * self._body
        ):
            self._malformed("Chunk extensions and trailers without end are not read.")

    def _wait(self, seconds: float) -> None:
        self._waits = seconds
        self.deadline = time.monotonic() + seconds

    def _linger(self) -> None:
        """Say no more, and give the client time to read what was said before the connection is reset."""
        self.state = CLOSED
        self.deadline = time.monotonic() + limits.LINGER
        transport = self._transport
        if transport is not None and transport.can_write_eof():
            transport.write_eof()

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > limits.LINGER_BYTES:
            self.abort()
