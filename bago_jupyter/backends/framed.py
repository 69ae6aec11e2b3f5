"""How a peer answers a relayed request: at once, alive, and with its true status.

The outer answer is ``200`` as soon as the request was admitted. Its body is any number of line feeds, one
every :data:`HEARTBEAT` seconds while the model loads or thinks, then one line of JSON, the
:class:`Head` of the real answer, then that answer's body, byte for byte. So "no header by the deadline"
and "no heartbeat for a while" mean a frozen machine, not a slow one, whether the answer is a stream or not.
"""

from __future__ import annotations

import asyncio
import re
import time

import msgspec

from ..errors import UpstreamFailed, UpstreamTimeout
from ..http1 import Incoming, Response
from ..http1.incoming import Owner
from ..http1.limits import MAX_HEADERS
from ..http1.sweep import sweep
from .sound import NO_CONTENT

HEARTBEAT = 1.0
SILENCE = 4.0
"""Seconds without a heartbeat after which the peer counts as frozen."""
LOADING = 300.0
"""Seconds that a peer may say nothing but that it lives, beside those that its answer may take to begin: it
loads the model meanwhile, or the request waits there."""
MAX_HEAD = 64 * 1024
"""Bytes of a head, as many as a backend's may have."""
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
"""What a header may hold (RFC 9110, 5.5 and 5.6.2): here no parser has seen them."""
_NUMBER = re.compile(rb"\d{1,15}")


class Head(msgspec.Struct, frozen=True):
    """Status and headers of the real answer. Its body ends with the outer one; a length may be told too."""

    status: int
    headers: list[tuple[str, str]]


class FramedExchange:
    """An :class:`~bago_jupyter.http1.Response` whose head comes in its body. Belongs to one loop."""

    def __init__(self, outer: Response):
        self.status = outer.status
        self.headers: list[tuple[bytes, bytes]] = outer.headers
        self._outer = outer
        self._rest = b""
        self._left: int | None = None
        """Bytes that the body has to have yet, where its length was told."""

    @property
    def complete(self) -> bool:
        return self._outer.complete and not self._rest

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def opened(self, patience: float) -> FramedExchange:
        """Wait for the real head.

        Raises :class:`UpstreamFailed`, and :class:`UpstreamTimeout` when the peer is frozen, or says nothing
        but that it lives for ``patience`` seconds.
        """
        if self.status >= 400:
            return self  # refused: the outer answer is the real one
        if self.status != 200:
            self.close()
            raise UpstreamFailed(f"The node answered {self.status}, which no node does.")
        data, end_of_patience = b"", time.monotonic() + patience
        while True:
            if time.monotonic() >= end_of_patience:
                self.close()
                raise UpstreamTimeout(f"The node has not begun to answer for {patience:g} s.")
            try:
                async with asyncio.timeout(SILENCE):
                    chunk = await self._outer.read()
            except TimeoutError:
                if self._outer.chunks:  # it was this loop that stood still
                    continue
                self.close()
                raise UpstreamTimeout(f"The node gave no sign of life for {SILENCE:g} s.") from None
            if not chunk:
                raise UpstreamFailed("The node closed the connection before it answered.", cause="broken")
            data = (data + chunk).lstrip(b"\n")
            line, end, rest = data.partition(b"\n")
            if end and len(line) <= MAX_HEAD:
                self._take(line, rest)
                return self
            if len(data) > MAX_HEAD:
                self.close()
                raise UpstreamFailed("The node's answer has no head.")

    async def read(self) -> bytes:
        if self._rest:
            chunk, self._rest = self._rest, b""
        else:
            chunk = await self._outer.read()
        if self._left is None:
            return chunk
        self._left -= len(chunk)
        if self._left < 0 or (not chunk and self._left):
            self.close()
            raise UpstreamFailed("The node's answer is not as long as it says.", cause="broken")
        return chunk

    def close(self) -> None:
        self._outer.close()

    def _take(self, line: bytes, rest: bytes) -> None:
        try:
            head = msgspec.json.decode(line, type=Head)
            headers = [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head.headers
            ]
            if head.status in NO_CONTENT or not (200 <= head.status < 300 or 400 <= head.status <= 599):
                raise ValueError
            if len(headers) > MAX_HEADERS or not all(map(_fits, headers)):
                raise ValueError
            length = _length(headers)
        except (msgspec.DecodeError, ValueError, RecursionError):
            self.close()
            raise UpstreamFailed("The node's answer cannot be read.") from None
        self.status, self.headers = head.status, headers
        self._rest, self._left = rest, length


def _length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """The length that a body is told to have. Raises ``ValueError`` for another framing than one length."""
    told = {value for name, value in headers if name == b"content-length"}
    if any(name == b"transfer-encoding" for name, _ in headers) or len(told) > 1:
        raise ValueError
    length = next(iter(told), None)
    if length is None:
        return None
    if not _NUMBER.fullmatch(length):
        raise ValueError
    return int(length)


def _fits(header: tuple[bytes, bytes]) -> bool:
    return bool(_NAME.fullmatch(header[0]) and _VALUE.fullmatch(header[1]))


class FramedReply:
    """Answers a peer's request whose body has arrived: admits it at once, and beats until the answer begins.

    Stands between the request and its :attr:`owner`. Belongs to the node's loop.
    """

    def __init__(self, incoming: Incoming):
        self.owner: Owner | None = None
        self.started = False
        """Whether the real answer has begun."""
        self.deadline = time.monotonic() + HEARTBEAT
        self._incoming = incoming
        self._sweep = sweep()
        incoming.owner = self
        incoming.start(200, [(b"content-type", b"application/x-bago-relay")], b"\n")
        self._sweep.watch(self)

    @property
    def paused(self) -> bool:
        return self._incoming.paused

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._incoming.end(self._head(status, headers) + body)

    def start(self, status: int, headers: list[tuple[bytes, bytes]], chunk: bytes = b"") -> None:
        self._incoming.write(self._head(status, headers) + chunk)

    def write(self, chunk: bytes) -> None:
        self._incoming.write(chunk)

    def end(self, chunk: bytes = b"") -> None:
        self._incoming.end(chunk)

    def abort(self) -> None:
        self._sweep.forget(self)
        self._incoming.abort()

    def overdue(self, now: float) -> None:
        """Called by the sweep: one more heartbeat."""
        self.deadline = now + HEARTBEAT
        self._incoming.write(b"\n")

    def gone(self) -> None:
        self._sweep.forget(self)
        if self.owner is not None:
            self.owner.gone()

    def stop(self) -> None:
        if self.owner is not None:
            self.owner.stop()

    def writable(self) -> None:
        if self.owner is not None:
            self.owner.writable()

    def _head(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        self.started = True
        self._sweep.forget(self)
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        return msgspec.json.encode(Head(status, pairs)) + b"\n"
