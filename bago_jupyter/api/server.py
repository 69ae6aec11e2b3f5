"""HTTP on the node's loop: uvicorn's parser and protocol without its process-wide habits.

uvicorn's own ``Server`` takes over signals and wants to own the program; a node is a guest in a kernel.

One port serves everybody. The first byte decides: 0x16 begins a TLS handshake (RFC 8446, 5.1), so a
node of the mesh speaks; anything else is plain HTTP from a client.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ..errors import BagoError
from .inference import GONE

log = logging.getLogger("bago.api")

KEEP_ALIVE = 75.0
"""Seconds that an idle client connection is kept."""
GRACE = 0.3
"""Seconds that requests in flight have to end when the server stops."""
FLUSH, FLUSH_TURNS = 0.1, 5
"""Seconds in which the last bytes leave, looked at so many times."""
TRIES = 100
"""Ports after the wanted one that are tried."""
FIRST_BYTE = 10.0
"""Seconds within which a new connection says something."""
HANDSHAKE = 10.0
HEAD = 20.0
"""Seconds within which a request head is complete, once it has begun."""
MAX_HEAD = 128 * 1024
"""Bytes of a request head that may arrive before it is complete: the parser has no bound of its own, and
puts each piece behind the others by copying them all."""
BODY = 120.0
"""The same as HEAD for its body."""
MAX_WAITING = 256
"""Connections that have said nothing yet; beyond it the oldest makes room."""
ACCEPTS = 64
"""Connections accepted in one turn of the loop."""
TLS_RECORD = 0x16
OFFERS = frozenset({b"upgrade", b"connection", b"http2-settings"})
"""Headers with which a client offers to change the protocol."""
PEER = "bago.peer"
"""Key of the ASGI scope that holds the fingerprint which a TLS client proved, or ``None``."""


class _Endless(int):
    """A content length that is never used up: the body ends with the connection."""

    def __lt__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return False

    def __sub__(self, other: object) -> _Endless:
        return self


class _Protocol(HttpToolsProtocol):
    """Adds to uvicorn's: word of a client that leaves, deadlines for slow ones, the peer's fingerprint.

    An offer to change the protocol is declined: Java's client makes one with every first request, and
    uvicorn then drops the body. HTTP/1.0 gets no chunks (RFC 9112, 6.1).
    """

    wants: float | None = None
    """Seconds that the rest of the head or body may take, while one is incomplete."""
    armed: float | None = None
    head = 0
    """Bytes that arrived of a head which is not complete."""
    stall: asyncio.TimerHandle | None = None
    peer: str | None = None
    asked: list[dict[str, Any]]
    """Scopes of the requests that may be under way: a pipelined one waits behind another."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.asked = []
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            from ..trust.tls import peer_fingerprint

            self.peer = peer_fingerprint(tls)
        self.wants = HEAD
        self._arm()

    def data_received(self, data: bytes) -> None:
        waited = self.wants == HEAD
        self._feed(data)
        if waited and self.wants == HEAD:  # it is not complete yet
            self.head += len(data)
            if self.head > MAX_HEAD:
                self.send_400_response(f"The head of a request is at most {MAX_HEAD >> 10} KiB.")
                return
        idle = self.cycle is None or self.cycle.response_complete
        if self.wants is None and idle and self.timeout_keep_alive_task is None:
            self.wants = HEAD  # it said something that begins no request, a blank line for one
        if self.wants is not self.armed:  # most requests arrive whole, and need no timer
            self._arm()

    def on_message_begin(self) -> None:
        self.wants = HEAD
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[PEER] = self.peer

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self.wants, self.head = BODY, 0
        self.asked = [scope for scope in self.asked if scope.get(GONE) is not None]
        self.asked.append(self.scope)  # type: ignore[arg-type]
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.chunked_encoding = False
            self.cycle.expected_content_length = _Endless()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self.wants = None
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wants = None
        self._arm()
        super().connection_lost(exc)
        for scope in self.asked:
            gone = scope.get(GONE)
            if gone is not None:
                scope[GONE] = None
                gone()

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _decline(self, rest: bytes) -> None:
        """Go on without the offer, as a server may (RFC 9110, 7.8); llhttp took it for the end of HTTP."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("This is no proxy.")
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [name + b": " + value for name, value in self.headers if name not in OFFERS]
        self.parser = httptools.HttpRequestParser(self)
        self._feed(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _arm(self) -> None:
        if self.stall is not None:
            self.stall.cancel()
        self.armed = self.wants
        self.stall = self.loop.call_later(self.wants, self.transport.abort) if self.wants else None


class Server:
    """Serves one ASGI application. Belongs to the loop that starts it.

    ``tls`` gives the context for each connection of a node; without it there are none.
    """

    def __init__(self, app: Any, tls: Callable[[], ssl.SSLContext] | None = None):
        self._config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=int(KEEP_ALIVE),
        )
        self._config.load()
        self._state = ServerState()
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}
        self._greeting: set[asyncio.Task[None]] = set()
        self._clock: asyncio.TimerHandle | None = None
        self.exposed = False
        """Whether other machines can connect at all; what they may do is the application's affair."""
        self.port = 0

    async def start(self, port: int) -> int:
        """Listen on loopback, on ``port`` or the next free one, 0 for any; return it.

        Raises :class:`BagoError`.
        """
        self._loop = asyncio.get_running_loop()
        self._tick()
        self._listen(bind(port))
        return self.port

    async def expose(self) -> None:
        """Listen on every interface, on the same port. Raises :class:`BagoError`."""
        if self.exposed:
            return
        self._close_listeners()
        try:
            self._listen(_bind_both(self.port, "0.0.0.0", "::"))  # noqa: S104
            self.exposed = True
        except OSError as error:
            self._listen(_bind_both(self.port, *LOOPBACK))
            raise BagoError(f"Cannot listen on the network at port {self.port}: {error.strerror}.") from None

    def cut(self, fingerprint: str) -> None:
        """Close every connection of a node."""
        for connection in list(self._state.connections):
            if getattr(connection, "peer", None) == fingerprint:
                connection.transport.abort()

    async def stop(self) -> None:
        """Stop listening, give requests in flight a moment, and close every connection."""
        if self._clock is not None:
            self._clock.cancel()
        self._close_listeners()
        for sock in list(self._waiting):
            self._drop(sock)
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=GRACE)
        cancelled = [*self._state.tasks, *self._greeting]
        for task in cancelled:
            task.cancel()  # each ends its answer with a word that the node stops
        if cancelled:
            await asyncio.wait(cancelled, timeout=GRACE)
        for connection in list(self._state.connections):
            connection.transport.close()
        for _ in range(FLUSH_TURNS):
            if not self._state.connections:
                return
            await asyncio.sleep(FLUSH / FLUSH_TURNS)
        for connection in list(self._state.connections):
            connection.transport.abort()

    def _listen(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self.port = sockets[0].getsockname()[1]
        for sock in sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _close_listeners(self) -> None:
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets = []

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("cannot accept: %s", error.strerror)  # out of file descriptors, most likely
                self._loop.remove_reader(listener)
                self._loop.call_later(1.0, self._resume, listener)
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if len(self._waiting) >= MAX_WAITING:
                self._drop(next(iter(self._waiting)))
            self._waiting[sock] = self._loop.call_later(FIRST_BYTE, self._drop, sock)
            self._loop.add_reader(sock, self._first_byte, sock)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._sockets:
            self._loop.add_reader(listener, self._accept, listener)

    def _first_byte(self, sock: socket.socket) -> None:
        try:
            byte = sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            byte = b""
        if not byte:
            self._drop(sock)
            return
        self._waiting.pop(sock).cancel()
        self._loop.remove_reader(sock)
        task = self._loop.create_task(self._serve(sock, secure=byte[0] == TLS_RECORD))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)

    async def _serve(self, sock: socket.socket, *, secure: bool) -> None:
        if secure and self._tls is None:
            sock.close()
            return
        context = self._tls() if secure and self._tls is not None else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: _Protocol(self._config, self._state, {}, self._loop),
                sock,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE if secure else None,
            )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            log.debug("no connection: %s", error)
            sock.close()

    def _drop(self, sock: socket.socket) -> None:
        timer = self._waiting.pop(sock, None)
        if timer is not None:
            timer.cancel()
            self._loop.remove_reader(sock)
            sock.close()

    def _tick(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tick)


LOOPBACK = ("127.0.0.1", "::1")


def bind(port: int) -> list[socket.socket]:
    """Sockets on 127.0.0.1 and, where there is one, ::1, on one port that is free on both."""
    for candidate in range(port, min(port + TRIES, 65536)) if port else (0,):
        try:
            return _bind_both(candidate, *LOOPBACK)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise BagoError(f"Cannot listen on port {candidate}: {error.strerror}.") from None
    raise BagoError(f"Ports {port} to {port + TRIES - 1} are taken or not for this user; set another port.")


def _bind_both(port: int, ipv4: str, ipv6: str) -> list[socket.socket]:
    first = _bind(socket.AF_INET, ipv4, port)
    try:
        second = _bind(socket.AF_INET6, ipv6, first.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE and port:
            first.close()
            raise
        return [first]  # a machine without IPv6
    return [first, second]


def _bind(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(2048)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
