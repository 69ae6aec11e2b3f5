"""Keep-alive connections to one origin."""

from __future__ import annotations

import asyncio
import math
import ssl as tls

from ..errors import UpstreamFailed, UpstreamTimeout
from .client import Connection, Response, kept
from .sweep import sweep

CONNECT_TIMEOUT = 5.0


class Pool:
    """Connections to ``host:port``, or to the Unix ``socket`` of that path. Belongs to one loop."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: tls.SSLContext | None = None,
        server_hostname: str | None = None,
        socket: str | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
    ):
        self.host = host
        self.port = port
        self.authority = socket or (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        self._socket = socket
        self._tls = tls
        self._server_hostname = server_hostname
        self._connect_timeout = connect_timeout
        self.idle: list[Connection] = []
        """Connections that were kept; :func:`~.client.kept` takes one."""
        self._all: set[Connection] = set()

    async def send(
        self,
        head: bytes,
        body: bytes,
        timeout: float,
        silence: float = math.inf,
        begun: Response | None = None,
    ) -> Response:
        """Send a request and return its response once the head is there.

        ``head`` is the whole request head with its final blank line. ``timeout`` bounds the wait for the
        response head, ``silence`` that between two bytes of its body, in seconds. ``begun`` is the response
        where the same request was sent on a kept connection already. Raises :class:`UpstreamFailed`. A kept
        connection that turns out to be closed is replaced by a new one, once.
        """
        response = begun
        if response is None and (connection := kept(self.idle)) is not None:
            response = connection.send(head, body, timeout, silence)
        if response is not None:
            try:
                await response.opened()
                return response
            except UpstreamTimeout:
                raise
            except UpstreamFailed:
                if response.received:
                    raise
        response = (await self._connect()).send(head, body, timeout, silence)
        await response.opened()
        return response

    def close(self) -> None:
        """Close every connection, also those in use."""
        for connection in list(self._all):
            connection.abort()
        self.idle.clear()

    def close_idle(self) -> None:
        """Close the connections that wait; those in use end with what they carry."""
        while self.idle:
            self.idle.pop().abort()

    async def _connect(self) -> Connection:
        loop, swept = asyncio.get_running_loop(), sweep()

        def make() -> Connection:
            return Connection(swept, self.idle, self._all.discard)

        try:
            async with asyncio.timeout(self._connect_timeout):
                if self._socket is not None:
                    _, connection = await loop.create_unix_connection(make, self._socket)
                else:
                    _, connection = await loop.create_connection(
                        make, self.host, self.port, ssl=self._tls, server_hostname=self._server_hostname
                    )
        except TimeoutError:
            raise UpstreamTimeout(
                f"No connection to {self.authority} within {self._connect_timeout:g} s."
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a name that cannot be one
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UpstreamFailed(
                f"No connection to {self.authority}: {reason}.",
                cause="refused" if isinstance(error, (ConnectionRefusedError, FileNotFoundError)) else None,
            ) from None
        self._all.add(connection)
        return connection
