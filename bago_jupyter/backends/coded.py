"""Bodies that come packed although nothing but the plain one was asked for.

What Python itself unpacks is unpacked. A server that sends another coding unasked is one that fails.
"""

from __future__ import annotations

import zlib

from ..errors import UpstreamFailed
from .base import Answering

PIECE = 1 << 20
"""Bytes that are unpacked at once: a small packed body may be a huge plain one."""
_NONE = frozenset({b"", b"identity", b"none", b"utf-8", b"utf8", b"us-ascii", b"iso-8859-1"})
"""What stands in the place of a coding and is none: some servers take it for that of the characters."""
_DEFLATE = {b"gzip": False, b"x-gzip": False, b"deflate": True}
_OF_THE_CODING = frozenset({b"content-encoding", b"content-length"})


def unpacked(exchange: Answering) -> Answering:
    """``exchange`` with the body that its server packed (RFC 9110, 8.4)."""
    coding = exchange.header(b"content-encoding")
    if coding is None:
        return exchange
    codings = [name.strip() for name in coding.lower().split(b",")]
    named = [name for name in codings if name not in _NONE]
    if named:
        return Unpacked(exchange, named)
    if coding.strip():
        exchange.headers = [pair for pair in exchange.headers if pair[0] != b"content-encoding"]
    return exchange


async def read_plain(exchange: Answering, limit: int) -> bytes:
    """The rest of the body, about ``limit`` bytes of it, unpacked. Raises :class:`UpstreamFailed`."""
    answer, parts, size = unpacked(exchange), [], 0
    while size < limit and (chunk := await answer.read()):
        parts.append(chunk)
        size += len(chunk)
    return b"".join(parts)


class Unpacked:
    """An :class:`~bago_jupyter.backends.base.Answering` around another. Belongs to the loop of that one.

    The body of an error that cannot be unpacked is empty: the status says enough.
    """

    def __init__(self, exchange: Answering, codings: list[bytes]):
        self.status = exchange.status
        self.headers = [pair for pair in exchange.headers if pair[0] not in _OF_THE_CODING]
        self._exchange = exchange
        self._name = b", ".join(codings).decode("latin-1")
        known = len(codings) == 1 and codings[0] in _DEFLATE
        self._unpack = _Zlib(deflate=_DEFLATE[codings[0]]) if known else None
        self._over = False

    @property
    def complete(self) -> bool:
        return self._over

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises :class:`UpstreamFailed`."""
        if self._over:
            return b""
        try:
            return await self._read()
        except UpstreamFailed:
            if self.status < 400:
                raise
            self._over = True
            return b""

    def close(self) -> None:
        self._exchange.close()

    async def _read(self) -> bytes:
        unpack = self._unpack
        if unpack is None:
            raise UpstreamFailed(
                f"The backend sent its answer packed with {self._name}, which nobody asked for."
            )
        while True:
            try:
                told = unpack.more()
                if not told:
                    chunk = await self._exchange.read()
                    if not chunk:
                        if not unpack.whole:
                            raise UpstreamFailed(
                                f"The backend's answer, packed with {self._name}, is cut.", cause="broken"
                            )
                        self._over = True
                        return b""
                    told = unpack.feed(chunk)
            except zlib.error as error:
                raise UpstreamFailed(
                    f"The backend sent an answer packed with {self._name} that cannot be unpacked ({error})."
                ) from None
            if told:
                return told


class _Zlib:
    """gzip, of one member or several, and both things that are called deflate."""

    def __init__(self, *, deflate: bool):
        self._deflate = deflate
        self._bits = zlib.MAX_WBITS if deflate else zlib.MAX_WBITS | 16
        self._object = zlib.decompressobj(self._bits)
        self._left = b""
        self._begun = self._full = False
        """``_full``: whether the last piece was, and what has come in may hold more."""

    @property
    def whole(self) -> bool:
        return not self._begun or self._object.eof

    def feed(self, data: bytes) -> bytes:
        self._left += data
        return self.more()

    def more(self) -> bytes:
        while self._left or self._full:
            if self._object.eof:
                self._full = False
                if self._deflate:  # what stands behind it means nothing
                    self._left = b""
                    break
                self._left = self._left.lstrip(b"\0")  # padding
                if not self._left:
                    break
                self._object = zlib.decompressobj(self._bits)
                self._begun = False
            data, self._left = self._left, b""
            try:
                told = self._object.decompress(data, PIECE)
            except zlib.error:
                if self._begun or not self._deflate or self._bits < 0:
                    raise
                self._bits = -zlib.MAX_WBITS  # without zlib's head, as some servers send it
                self._object = zlib.decompressobj(self._bits)
                self._left = data
                continue
            self._begun = True
            self._full = len(told) == PIECE
            self._left = self._object.unconsumed_tail or self._object.unused_data
            if told:
                return told
        return b""
