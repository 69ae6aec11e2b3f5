"""An answer that a backend has begun."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import BagoError, UpstreamFailed
from .base import Opened
from .draining import drain
from .record import Flight, Record
from .usage import Usage

WHOLE = 1024 * 1024
"""Bytes of an answer that is not a stream that are read before the client gets the first, so that
a backend which breaks off can still be replaced."""


class Answer:
    """Read it to its end, or :meth:`close` it; one of both must happen. Belongs to the node's loop.

    ``ended`` is called once, with the error that broke it, if one did.
    """

    __slots__ = (
        "_ended",
        "_first",
        "_over",
        "_said_all",
        "cut",
        "flight",
        "given",
        "mistaken",
        "opened",
        "record",
        "usage",
    )

    def __init__(
        self,
        record: Record,
        flight: Flight,
        opened: Opened,
        stream: bool,
        ended: Callable[[Answer, BagoError | None], None],
    ):
        self.record = record
        self.flight = flight
        self.opened = opened
        self.usage = Usage(stream)
        self.mistaken = False
        """Whether the request is to blame for its status."""
        self.given = False
        """Whether the client has it, so that nobody else can answer any more."""
        self._ended = ended
        self.cut = False
        """Whether it broke behind its last choice: half an event may have come."""
        self._over = self._said_all = False
        self._first = b""

    @property
    def status(self) -> int:
        return self.opened.exchange.status

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return self.opened.exchange.headers

    @property
    def complete(self) -> bool:
        """Whether the whole body has arrived, so that one :meth:`read` returns it."""
        return self.opened.exchange.complete

    @property
    def node(self) -> str:
        return self.flight.node

    @property
    def begun(self) -> bytes:
        """What :meth:`start` has read; it stays to be read."""
        return self._first

    @property
    def retry_after(self) -> bytes | None:
        """Its header of that name."""
        return self.opened.exchange.header(b"retry-after")

    @property
    def done(self) -> bool:
        """Whether the backend has said all that it has to say."""
        return self.opened.exchange.complete or self.usage.ended or self.usage.finished

    async def start(self) -> Answer:
        """Wait until the client can be given something. Raises :class:`UpstreamFailed`."""
        exchange = self.opened.exchange
        self._first = await exchange.read()
        if not is_stream(exchange.header(b"content-type")):
            while not exchange.complete and len(self._first) < WHOLE and (more := await exchange.read()):
                self._first += more
        return self

    async def read_all(self, limit: int | None = None) -> bytes:
        """The whole rest, or about ``limit`` bytes of it. Raises :class:`UpstreamFailed`."""
        if self.opened.exchange.complete:  # and so it is all here: starting it read what had come
            body, self._first = self._first, b""
            body += await self.opened.exchange.read()
            self.usage.feed(body)
            self.close()
            return body
        parts, size = [], 0
        while (limit is None or size < limit) and (chunk := await self.read()):
            parts.append(chunk)
            size += len(chunk)
        return b"".join(parts)

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises :class:`UpstreamFailed`, and is closed then."""
        chunk = self._first
        if chunk:
            self._first = b""
        elif self._said_all:
            await drain(self.opened.exchange)
            self.close()
            return b""
        else:
            try:
                chunk = await self.opened.exchange.read()
            except UpstreamFailed as error:
                ended = self.usage.ended
                if ended or self.usage.finished:  # it is whole: its connection is nobody's loss
                    self.cut = not ended
                    self.close()
                    return b""
                self.close(error)
                raise
        if chunk:
            self.usage.feed(chunk)
            self._said_all = self.usage.over
        else:
            self.close()
        return chunk

    def close(self, error: BagoError | None = None) -> None:
        """End the answer: complete, broken by ``error``, or given up by the client."""
        if self._over:
            return
        self._over = True
        self.opened.exchange.close()
        self.opened.release()
        self._ended(self, error)


def is_stream(content_type: bytes | None) -> bool:
    """Whether a body is passed on as it comes, not held back until it is whole."""
    return content_type is not None and content_type.lower().startswith(b"text/event-stream")
