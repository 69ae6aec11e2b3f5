"""Keep-alive connections to one origin."""

from __future__ import annotations

import asyncio
import math
import ssl as tls

from ..errors import UpstreamFailed, UpstreamTimeout
from .client import Connection, Response
from .state import IDLE
from .sweep import sweep

MAX_IDLE = 256
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
        self._idle: list[Connection] = []
        """The one that was used last is taken first."""
        self._all: set[Connection] = set()

    def begin(self, head: bytes, body: bytes, timeout: float, silence: float = math.inf) -> Response | None:
        """Send a request now, on a kept connection; ``None`` where there is none.

        ``head`` is the whole request head with its final blank line. ``timeout`` bounds the wait for the
        response head, ``silence`` that between two bytes of its body, in seconds. The response may turn out
        to be broken because the connection was closed meanwhile: give it to :meth:`send`.
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.state is IDLE:
                return connection.send(head, body, timeout, silence)
        return None

    async def send(
        self,
        head: bytes,
        body: bytes,
        timeout: float,
        silence: float = math.inf,
        begun: Response | None = None,
    ) -> Response:
        """Send a request as :meth:`begin` does, and return the response once its head is there.

        ``begun`` is what :meth:`begin` made of the same request. Raises :class:`UpstreamFailed`. A kept
        connection that turns out to be closed is replaced by a new one, once.
        """
        response = begun or self.begin(head, body, timeout, silence)
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
        self._idle.clear()

    def close_idle(self) -> None:
        """Close the connections that wait; those in use end with what they carry."""
        while self._idle:
            self._idle.pop().abort()

    async def _connect(self) -> Connection:
        loop, swept = asyncio.get_running_loop(), sweep()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: Connection(swept, self._on_idle, self._all.discard),
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
            self._idle.append(connection)
