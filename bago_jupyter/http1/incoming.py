"""A request that arrives, and the answer that goes back to it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from .server import ServerConnection

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""
_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
BODILESS = frozenset({204, 304})
"""Statuses whose answers have no body (RFC 9110, 6.4.1)."""


class Owner(Protocol):
    """Whoever answers a request."""

    def gone(self) -> None:
        """The client went away; nothing that is written reaches it."""
        ...

    def stop(self) -> None:
        """The server stops: end the answer soon."""
        ...

    def writable(self) -> None:
        """The client has caught up after :attr:`Incoming.paused`."""
        ...


class Admission(NamedTuple):
    """What is done with a request whose head has arrived."""

    serve: Callable[[Incoming], None]
    """Called once the whole body is there; it answers now or later."""
    limit: int
    """Bytes that its body may have."""
    lasting: bool = False
    """Whether the next request of the connection is admitted alike if its head says the same."""


class Application(Protocol):
    """What a server serves. Everything is called on the server's loop."""

    epoch: int
    """Counted up when an :class:`Admission` that was given may not hold any more."""

    @property
    def telling(self) -> tuple[bytes, ...]:
        """Names of the headers on which an admission depends."""
        ...

    def admit(self, incoming: Incoming) -> Admission:
        """The head is there. Raises a :class:`~bago_jupyter.errors.BagoError` to refuse it."""
        ...

    def refuse(self, incoming: Incoming, error: Exception) -> None:
        """Answer with ``error``, which :meth:`admit` raised or the server found."""
        ...


class Incoming:
    """One request. Its methods do nothing once the client is gone. Belongs to the server's loop.

    An answer is :meth:`respond`, or :meth:`start`, any number of :meth:`write` and :meth:`end`.
    """

    __slots__ = (
        "_address",
        "_chunked",
        "_connection",
        "_mute",
        "admission",
        "arrived",
        "body",
        "error",
        "extra",
        "first",
        "headers",
        "keep_alive",
        "method",
        "old",
        "owner",
        "started",
        "target",
    )

    def __init__(
        self,
        connection: ServerConnection,
        method: bytes,
        target: bytes,
        headers: Headers,
        keep_alive: bool,
        old: bool,
    ):
        self.method = method
        self.target = target
        """Path and query as they were sent."""
        self.headers = headers
        self.first: dict[bytes, bytes] = dict(reversed(headers))
        """The first header of each name."""
        self.keep_alive = keep_alive
        """Whether the connection is to be used again; set it to ``False`` before the answer to close it."""
        self.old = old
        """Whether it speaks HTTP/1.0, which knows no chunks (RFC 9112, 6.1)."""
        self.body = self.extra = b""
        """What was sent; and header lines that go with every answer, each with its line end."""
        self.arrived = self.started = False
        """Whether the whole body is there; whether the answer has begun."""
        self.owner: Owner | None = None
        self.admission: Admission | None = None
        self.error: Exception | None = None
        """Why it is refused, as long as others are answered before it."""
        self._connection: ServerConnection | None = connection
        self._address = connection.address
        self._chunked = self._mute = False
        """How the body of the answer is sent: in chunks, or not at all."""

    @property
    def address(self) -> tuple[str, int]:
        """The client's address, as it was when its connection was accepted."""
        return self._address

    @property
    def local(self) -> bool:
        """Whether it comes from this machine's loopback."""
        return self._connection is not None and self._connection.local

    @property
    def secure(self) -> bool:
        """Whether it came over TLS."""
        return self._connection is not None and self._connection.secure

    @property
    def peer(self) -> str | None:
        """Fingerprint of the certificate that the client proved to have."""
        return self._connection.peer if self._connection is not None else None

    @property
    def paused(self) -> bool:
        """Whether the client does not keep up: wait for :meth:`Owner.writable`."""
        return self._connection is not None and self._connection.full

    @property
    def answered(self) -> bool:
        """Whether nothing more can be said: the answer is whole, or the client is gone."""
        return self._connection is None

    def known(self) -> None:
        """Whoever asks has shown a right to: the connection is none of a stranger any more."""
        if self._connection is not None:
            self._connection.known()

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer."""
        connection = self._connection
        if connection is None:
            return
        self.started = True
        parts = [_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, connection.sweep.date]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        if self.extra:
            parts.append(self.extra)
        if not self.keep_alive or not self.arrived:
            parts.append(b"connection: close\r\n")
        if status in BODILESS:
            parts.append(b"\r\n")
        else:
            parts.append(b"content-length: %d\r\n\r\n" % len(body))
            if self.method != b"HEAD":
                parts.append(body)
        connection.write(b"".join(parts))
        self._connection = None
        connection.answered(self)

    def start(self, status: int, headers: Headers, chunk: bytes = b"") -> None:
        """Begin an answer whose length is told by its headers or by its end, with its first bytes."""
        connection = self._connection
        if connection is None:
            return
        self.started = True
        parts = [_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, connection.sweep.date]
        measured = False
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
            measured = measured or name == b"content-length"
        self._mute = status in BODILESS or self.method == b"HEAD"
        if not measured and not self._mute and not self.old:  # to HTTP/1.0 the end of the connection says it
            self._chunked = True
            parts.append(b"transfer-encoding: chunked\r\n")
        if self.extra:
            parts.append(self.extra)
        parts.append(b"\r\n" if self.keep_alive and self.arrived else b"connection: close\r\n\r\n")
        if chunk and not self._mute:
            parts += (b"%x\r\n" % len(chunk), chunk, b"\r\n") if self._chunked else (chunk,)
        connection.write(b"".join(parts))

    def write(self, chunk: bytes) -> None:
        """The next bytes of the body."""
        connection = self._connection
        if connection is not None and chunk and not self._mute:
            connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)

    def end(self, chunk: bytes = b"") -> None:
        """The last bytes of the body."""
        connection = self._connection
        if connection is None:
            return
        if not self._chunked:
            self.write(chunk)
        elif chunk:
            connection.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk))
        else:
            connection.write(b"0\r\n\r\n")
        self._connection = None
        connection.answered(self)

    def abort(self) -> None:
        """Cut the connection, which is how HTTP/1.1 says that a body is not whole (RFC 9112, 8)."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.abort()

    def left(self) -> None:
        """Called by the connection: the client is gone."""
        self._connection = None
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.gone()
