"""Keep-alive connections to one origin."""

from __future__ import annotations

import asyncio
import ssl as tls
from collections import deque

from ..errors import UpstreamFailed, UpstreamTimeout
from .connection import Connection, Exchange

MAX_IDLE = 256
IDLE_SECONDS = 50.0
"""Idle connections older than this are not trusted with a request; servers close them at about 60 s."""
CONNECT_TIMEOUT = 5.0


class Pool:
    """Connections to ``host:port``. Belongs to one loop."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: tls.SSLContext | None = None,
        server_hostname: str | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
    ):
        self.host = host
        self.port = port
        self.authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._tls = tls
        self._server_hostname = server_hostname
        self._connect_timeout = connect_timeout
        self._idle: deque[tuple[float, Connection]] = deque()
        self._all: set[Connection] = set()

    async def send(self, head: bytes, body: bytes, timeout: float) -> Exchange:
        """Send a request and return its exchange once the response's head is there.

        ``head`` is the whole request head with its final blank line. ``timeout`` bounds the wait
        for the response head, in seconds. Raises :class:`UpstreamFailed`. A kept connection that
        turns out to be closed is replaced by a new one, once.
        """
        connection = self._take_idle()
        if connection is not None:
            exchange = connection.send(head, body, timeout)
            try:
                await exchange.opened()
                return exchange
            except UpstreamTimeout:
                raise
            except UpstreamFailed:
                if connection.received:
                    raise
        exchange = (await self._connect()).send(head, body, timeout)
        await exchange.opened()
        return exchange

    def close(self) -> None:
        """Close every connection, also those in use."""
        for connection in list(self._all):
            connection.abort()
        self._idle.clear()

    def close_idle(self) -> None:
        """Close the connections that wait; those in use end with what they carry."""
        while self._idle:
            self._idle.pop()[1].abort()

    def _take_idle(self) -> Connection | None:
        limit = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            since, connection = self._idle.pop()
            if connection.alive and since > limit:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._on_idle, self._all.discard),
                    self.host,
                    self.port,
                    ssl=self._tls,
                    server_hostname=self._server_hostname,
                )
        except TimeoutError:
            raise UpstreamTimeout(
                f"No connection to {self.authority} within {self._connect_timeout:g} s."
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a name that cannot be one
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UpstreamFailed(
                f"No connection to {self.authority}: {reason}.",
                cause="refused" if isinstance(error, ConnectionRefusedError) else None,
            ) from None
        self._all.add(connection)
        return connection

    def _on_idle(self, connection: Connection) -> None:
        if len(self._idle) >= MAX_IDLE:
            connection.abort()
        else:
            self._idle.append((asyncio.get_running_loop().time(), connection))
