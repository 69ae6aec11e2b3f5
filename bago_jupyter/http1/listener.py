"""The node's port: who gets in, how many, and which half of it they mean.

One port serves everybody. The first byte decides: 0x16 begins a TLS handshake (RFC 8446, 5.1), so a
node of the mesh speaks; anything else is plain HTTP from a client.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import socket
import ssl
import time
from collections.abc import Callable

from ..errors import BagoError
from . import limits
from .incoming import Application
from .ports import LOOPBACK, bind, bind_both
from .server import ServerConnection
from .state import IDLE
from .strangers import Strangers
from .sweep import Sweep, sweep

log = logging.getLogger("bago.http")

GRACE = 0.3
"""Seconds that requests in flight have to end when the server stops."""
FLUSH, FLUSH_TURNS = 0.1, 5
"""Seconds in which the last bytes leave, looked at so many times."""
ACCEPTS = 64
"""Connections accepted in one turn of the loop."""
FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What ``accept`` says when this process or this machine can hold no more connections."""
PAUSE = 0.25
"""Seconds without accepting after that."""
QUIET = 60.0
"""Seconds between two lines in the log about it."""
MAX_WAITING = 256
"""Connections that have said nothing yet; beyond it the oldest makes room."""
TLS_RECORD = 0x16
Address = tuple[str, int]


class Listener:
    """Serves one application. Belongs to the loop that starts it.

    ``tls`` gives the context for each connection of a node, without it there are none; ``identify`` the
    fingerprint that a handshake has proved.
    """

    def __init__(
        self,
        app: Application,
        tls: Callable[[], ssl.SSLContext] | None = None,
        identify: Callable[[ssl.SSLObject], str | None] = lambda tls: None,
    ):
        self._app = app
        self._tls = tls
        self._identify = identify
        self._sockets: list[socket.socket] = []
        self._waiting: dict[socket.socket, tuple[float, Address]] = {}
        """Connections without a first byte, until when they may be, and whose they are; the oldest first."""
        self._connections: set[ServerConnection] = set()
        self._greeting: dict[socket.socket, asyncio.Task[None]] = {}
        """Connections whose protocol is being set up, most of them with a handshake."""
        self._strangers = Strangers()
        self._quiet_until = 0.0
        self.deadline = math.inf
        self.exposed = False
        """Whether other machines can connect at all; what they may do is the application's affair."""
        self.port = 0

    async def start(self, port: int) -> int:
        """Listen on loopback, on ``port`` or the next free one, 0 for any; return it.

        Raises :class:`BagoError`.
        """
        self._loop = asyncio.get_running_loop()
        self._sweep: Sweep = sweep()
        self._listen(bind(port))
        return self.port

    async def expose(self) -> None:
        """Listen on every interface, on the same port. Raises :class:`BagoError`."""
        if self.exposed:
            return
        self._close_listeners()
        try:
            self._listen(bind_both(self.port, "0.0.0.0", "::"))  # noqa: S104
            self.exposed = True
        except OSError as error:
            self._listen(bind_both(self.port, *LOOPBACK))
            raise BagoError(f"Cannot listen on the network at port {self.port}: {error.strerror}.") from None

    def cut(self, fingerprint: str) -> None:
        """Close every connection of a node."""
        for connection in list(self._connections):
            if connection.peer == fingerprint:
                connection.abort()

    async def stop(self) -> None:
        """Stop listening, give requests in flight a moment, and close every connection."""
        self._close_listeners()
        for sock in list(self._waiting):
            self._drop(sock)
        for connection in list(self._connections):
            connection.finish()
        await self._until(lambda: not any(connection.answering for connection in self._connections), GRACE)
        for task in self._greeting.values():
            task.cancel()
        for connection in list(self._connections):
            connection.stop()  # each ends its answer with a word that the node stops
        await self._until(lambda: not any(connection.answering for connection in self._connections), GRACE)
        for connection in list(self._connections):
            connection.close()
        await self._until(lambda: not self._connections, FLUSH)
        for connection in list(self._connections):
            connection.abort()

    # -- what the connections need

    def made(self, connection: ServerConnection) -> None:
        """A connection begins."""
        self._connections.add(connection)

    def lost(self, connection: ServerConnection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self._strangers.forget(connection)

    def known(self, connection: ServerConnection) -> None:
        """It is none of a stranger any more."""
        self._strangers.forget(connection)

    def overdue(self, now: float) -> None:
        """Called by the sweep: hang up on those that say nothing."""
        while self._waiting:
            sock, (until, _) = next(iter(self._waiting.items()))
            if until > now:
                self.deadline = until
                return
            self._drop(sock)

    # -- accepting

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
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._cannot_accept(listener, error)
                return
            for oldest in self._strangers.arrived(sock, address[0]):
                self._make_room(oldest)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if len(self._waiting) >= MAX_WAITING:
                self._drop(next(iter(self._waiting)))
            until = time.monotonic() + limits.FIRST_BYTE
            self._waiting[sock] = until, (address[0], address[1])
            if len(self._waiting) == 1:
                self.deadline = until
                self._sweep.watch(self)
            self._loop.add_reader(sock, self._first_byte, sock)

    def _cannot_accept(self, listener: socket.socket, error: OSError) -> None:
        """Stop for a moment; idle connections go where there are too many."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET
            log.warning("Cannot accept: %s; %d connections are open.", error.strerror, len(self._connections))
        if error.errno in FULL:
            idle = [connection for connection in self._connections if connection.state is IDLE]
            for connection in idle[: max(1, len(idle) // 2)]:
                connection.abort()
        self._loop.remove_reader(listener)
        self._loop.call_later(PAUSE, self._resume, listener)

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
        if not byte or (byte[0] == TLS_RECORD and self._tls is None):
            self._drop(sock)
            return
        _, address = self._waiting[sock]
        self._no_longer_waits(sock)
        task = self._loop.create_task(self._greet(sock, address, secure=byte[0] == TLS_RECORD))
        self._greeting[sock] = task
        task.add_done_callback(lambda _: self._greeting.pop(sock, None))

    async def _greet(self, sock: socket.socket, address: Address, *, secure: bool) -> None:
        context = self._tls() if secure and self._tls is not None else None
        connection = ServerConnection(self._app, self, self._sweep, self._identify, address)
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=context,
                ssl_handshake_timeout=limits.HANDSHAKE if secure else None,
            )
        except (OSError, ssl.SSLError, TimeoutError, asyncio.CancelledError) as error:
            log.debug("no connection: %s", error)
            self._strangers.forget(sock)
            sock.close()
        else:
            there = connection in self._connections and connection.stranger
            self._strangers.became(sock, connection if there else None)

    def _make_room(self, thing: object) -> None:
        if isinstance(thing, ServerConnection):
            thing.abort()
        elif isinstance(thing, socket.socket):
            if thing in self._waiting:
                self._drop(thing)
            elif (task := self._greeting.get(thing)) is not None:
                task.cancel()

    def _drop(self, sock: socket.socket) -> None:
        self._no_longer_waits(sock)
        self._strangers.forget(sock)
        sock.close()

    def _no_longer_waits(self, sock: socket.socket) -> None:
        if self._waiting.pop(sock, None) is not None:
            self._loop.remove_reader(sock)
            if not self._waiting:
                self.deadline = math.inf
                self._sweep.forget(self)

    @staticmethod
    async def _until(done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(FLUSH / FLUSH_TURNS)
