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
from .framing import Framing
from .head import check_body, check_head, has_body, too_large, without_offer
from .incoming import Admission, Application, Incoming
from .state import ACTIVE, CLOSED, IDLE, NEW, State
from .strangers import is_loopback
from .sweep import Sweep

if TYPE_CHECKING:
    from .listener import Listener


class ServerConnection(asyncio.Protocol):
    """Reads requests, hands them to an application in their order, and writes its answers.

    Of requests that are pipelined (RFC 9112, 9.3.2) one is answered at a time; while a few wait nothing more
    is read. One that is refused before its body has arrived is the last of its connection. An offer to change
    the protocol is declined: Java's client makes one with every first request.
    """

    def __init__(
        self,
        app: Application,
        listener: Listener,
        sweep: Sweep,
        identify: Callable[[ssl.SSLObject], str | None],
        address: tuple[str, int],
    ):
        self.state: State = NEW
        self.deadline = math.inf
        self.sweep = sweep
        self.peer: str | None = None
        """Fingerprint of the certificate that a TLS client proved to have."""
        self.address = address
        """As it was accepted: a connection that was reset since could not tell."""
        self.local = is_loopback(address[0])
        self.secure = self.full = False
        """Whether it came over TLS; whether the client does not keep up with what is written."""
        self.stranger = not self.local
        """Whether it comes from another machine, and has shown no right to be here."""
        self.answering: Incoming | None = None
        """The request that is answered now."""
        self._app = app
        self._listener = listener
        self._identify = identify
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head = 0
        """Bytes that arrived of a head which is not complete, or of nothing that begins one."""
        self._heading = self._ended = self._held = self._deaf = False
        """Whether a head has begun; a request ended in this read; all waits until the client has read the
        answers; nothing is read."""
        self._arriving: Incoming | None = None
        self._behind: deque[Incoming] = deque()
        """The request whose body is not whole yet; and pipelined ones that wait."""
        self._chunks: list[bytes] = []
        self._framing = Framing()
        self._body = self._dropped = self._unsent = 0
        self._waits = 0.0
        """Seconds that were given for what is incomplete: :data:`~.limits.HEAD` or :data:`~.limits.BODY`."""
        self._lasting: tuple[tuple[object, ...], Admission] | None = None
        """What a head said whose admission lasts, and that one."""

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        self.secure = tls is not None
        if tls is not None:
            self.peer = self._identify(tls)
        self._wait(limits.HEAD)
        self.sweep.watch(self)
        self._listener.made(self)

    def data_received(self, data: bytes) -> None:
        if self.state is CLOSED:
            self._dropped += len(data)
            if self._dropped > limits.LINGER_BYTES:
                self.abort()
            return
        self.state, self._ended = ACTIVE, False
        before, rest = self._body, data
        while rest:
            try:
                self._parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as offer:
                rest = self._declined(rest[offer.args[0] :])
            except httptools.HttpParserCallbackError:
                raise
            except httptools.HttpParserError:
                if self.state is not CLOSED:
                    self._malformed("Invalid HTTP request received.")
                break
        if self._arriving is not None:
            self._bound_body(len(data), self._body - before)
        elif self._heading or not self._ended:
            self._bound_head(0 if self._ended else len(data))

    def pause_writing(self) -> None:
        self.full = True
        self._watch_unsent()

    def resume_writing(self) -> None:
        self.full, held, self._held = False, self._held, False
        if self.answering is None and held:
            self._go_on()
        elif self.answering is not None:  # also one that came in the same read as the one that was held
            if self.answering.owner is not None:
                self.answering.owner.writable()
            self._listen_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = CLOSED
        self._transport = None
        self._parser = None  # type: ignore[assignment]  # it holds on to us: a ring that only the collector breaks
        self.sweep.forget(self)
        self._listener.lost(self)
        answering, self.answering, self._arriving = self.answering, None, None
        self._behind.clear()
        if answering is not None:
            answering.left()

    # -- httptools

    def on_message_begin(self) -> None:
        self._heading, self._head, self.state = True, 0, ACTIVE if self.state is IDLE else self.state

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
        self._target, self._headers, self._heading = b"", [], False
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
            self._chunks, self._body = [], 0
        self._arriving = None
        self._waits = 0.0
        self._ended = incoming.arrived = True
        if self.answering is None and not self._behind:
            self._serve(incoming)
        else:
            self._queue(incoming)

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        if self._transport is not None:
            self._transport.write(data)

    def answered(self, incoming: Incoming) -> None:
        """The answer to ``incoming`` is whole: go on with the next request, or close."""
        incoming.owner = self.answering = None
        if not incoming.arrived or (incoming.error is not None and not incoming.keep_alive):
            self._linger()
        elif not incoming.keep_alive:
            self.close()
        elif self.full:  # what is asked next is not even read before these bytes are
            self._held = True
            self._listen(False)
        else:
            self._go_on()

    def known(self) -> None:
        """Whoever is there has shown a right to be."""
        self.stranger = False
        self._listener.known(self)

    def close(self) -> None:
        """Close in an orderly way: what was written is sent."""
        self.state = CLOSED
        self._watch_unsent()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self.state = CLOSED
        if self._transport is not None:
            self._transport.abort()

    # -- what the listener needs

    def finish(self) -> None:
        """The server stops: end with the answer that is under way."""
        if self.answering is None:
            self.close()
        else:
            self.answering.keep_alive = False
            self._behind.clear()

    def stop(self) -> None:
        """End the answer that is under way."""
        if self.answering is not None and (owner := self.answering.owner) is not None:
            owner.stop()

    def overdue(self, now: float) -> None:
        """Called by the sweep."""
        before = self._unsent
        self._watch_unsent()
        if 0 < self._unsent < before:  # a slow client is no dead one
            return
        if self.answering and not self.full and (self._arriving is None or self.state is CLOSED):
            self.deadline = math.inf  # those of whoever answers count
        else:
            self.abort()

    # -- inside

    def _go_on(self) -> None:
        """Take the next request, or wait for one."""
        if self._behind:
            following = self.answering = self._behind.popleft()
            asyncio.get_running_loop().call_soon(self._serve, following)
        elif self._heading:
            self._wait(limits.HEAD)
        elif self._arriving is None and self.state is ACTIVE:
            self.state = IDLE
            self.deadline = time.monotonic() + limits.KEEP_ALIVE
        self._listen_on()

    def _listen_on(self) -> None:
        if self._deaf and len(self._behind) < limits.FEW:
            self._listen(True)

    def _listen(self, on: bool) -> None:
        """Read what arrives, or leave it in the network."""
        self._deaf = not on
        if self._transport is not None:
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    def _declined(self, rest: bytes) -> bytes:
        """What to parse in place of an offer to change the protocol and the ``rest`` behind it."""
        head = without_offer(self._parser, self._target, self._headers)
        self._target, self._headers = b"", []
        self._parser = httptools.HttpRequestParser(self)
        return head + rest

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
        if expects and not (incoming.old or self.answering or self._behind) and has_body(incoming):
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
        if self.answering is None and not self._behind:
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
        if len(self._behind) >= limits.FEW:
            self._listen(False)

    def _serve(self, incoming: Incoming) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self.answering = incoming
        try:
            if incoming.error is not None:
                raise incoming.error
            assert incoming.admission is not None
            incoming.admission.serve(incoming)
        except Exception as error:
            self._app.refuse(incoming, error)

    def _bound_head(self, size: int) -> None:
        """``size`` bytes came of a head that is not complete, or of nothing that begins one."""
        if self.state is CLOSED:
            return
        self._head += size
        if self._head > limits.MAX_HEAD:
            self._malformed(f"The head of a request is at most {limits.MAX_HEAD >> 10} KiB.")
        elif self.answering is None and not self._held and self._waits != limits.HEAD:
            self._wait(limits.HEAD)

    def _bound_body(self, size: int, body: int) -> None:
        """``size`` bytes came of a request whose body is not complete, ``body`` of them of that."""
        if self.state is CLOSED:
            return
        if self._waits != limits.BODY:  # the head came with it
            self._framing.reset()
            self._wait(limits.BODY)
        elif self._framing.excessive(size, body):
            self._malformed("Chunk extensions and trailers without end are not read.")

    def _watch_unsent(self) -> None:
        """By the deadline the client must have read something of what waits for it."""
        self.deadline = time.monotonic() + limits.BODY
        self._unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _wait(self, seconds: float) -> None:
        self._waits = seconds
        self.deadline = time.monotonic() + seconds

    def _linger(self) -> None:
        """Say no more, and give the client time to read what was said before the connection is reset."""
        self.state = CLOSED
        self.deadline = time.monotonic() + limits.LINGER
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
