"""HTTP on the node's loop: uvicorn's parser and protocol without its process-wide habits.

uvicorn's own ``Server`` takes over signals and wants to own the program; a node is a guest in a kernel.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ..errors import BagoError
from .inference import GONE

KEEP_ALIVE = 75.0
"""Seconds that an idle client connection is kept."""
GRACE = 0.3
"""Seconds that requests in flight have to end when the server stops."""
TRIES = 100
"""Ports after the wanted one that are tried."""


class _Protocol(HttpToolsProtocol):
    """Tells the application at once when the client goes away, without a task that waits for it."""

    def connection_lost(self, exc: Exception | None) -> None:
        cycle = self.cycle
        super().connection_lost(exc)
        if cycle is not None and not cycle.response_complete:
            scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]
            gone = scope.get(GONE)
            if gone is not None:
                scope[GONE] = None
                gone()


class Server:
    """Serves one ASGI application on loopback. Belongs to the loop that starts it."""

    def __init__(self, app: Any):
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
        self._servers: list[asyncio.Server] = []
        self._clock: asyncio.TimerHandle | None = None
        self.port = 0

    async def start(self, port: int) -> int:
        """Listen on ``port`` or the next free one, 0 for any; return it. Raises :class:`BagoError`."""
        loop = asyncio.get_running_loop()
        self._tick()
        sockets = bind(port)
        for sock in sockets:
            server = await loop.create_server(
                lambda: _Protocol(self._config, self._state, {}, loop), sock=sock, backlog=2048
            )
            self._servers.append(server)
        self.port = sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        """Stop listening, give requests in flight a moment, and close every connection."""
        if self._clock is not None:
            self._clock.cancel()
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=GRACE)
        for task in list(self._state.tasks):
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def _tick(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tick)


def bind(port: int) -> list[socket.socket]:
    """Sockets on 127.0.0.1 and, where there is one, ::1, on one port that is free on both."""
    for candidate in range(port, min(port + TRIES, 65536)) if port else (0,):
        try:
            return _bind_both(candidate)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise BagoError(f"Cannot listen on port {candidate}: {error.strerror}.") from None
    raise BagoError(f"Ports {port} to {port + TRIES - 1} are all taken; set another port.")


def _bind_both(port: int) -> list[socket.socket]:
    first = _bind(socket.AF_INET, "127.0.0.1", port)
    try:
        second = _bind(socket.AF_INET6, "::1", first.getsockname()[1])
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
        sock.bind((host, port))
        sock.listen(2048)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
