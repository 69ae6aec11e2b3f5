"""What comes beside the body of a message: chunk sizes, their extensions, trailers (RFC 9112, 7.1)."""

from __future__ import annotations

from collections.abc import Iterable

from .limits import FRAMING, FRAMING_PER_BYTE


class Framing:
    """Counts it from the first read on that brings nothing of the head."""

    __slots__ = ("_beside", "_body", "_in_a_row")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """A message begins."""
        self._beside = self._body = self._in_a_row = 0

    def excessive(self, size: int, body: int) -> bool:
        """Whether it is more than a message needs, with ``size`` bytes more, ``body`` of them of the body."""
        self._body += body
        self._beside += size - body
        self._in_a_row = 0 if body else self._in_a_row + size
        return self._in_a_row > FRAMING or self._beside > FRAMING + FRAMING_PER_BYTE * self._body


def ends_with_connection(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether nothing else ends the body of such an answer (RFC 9112, 6.3)."""
    measured = any(
        name == b"content-length" or (name == b"transfer-encoding" and b"chunked" in value.lower())
        for name, value in headers
    )
    return status >= 200 and not measured


def size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Bytes of names and values."""
    return sum(len(name) + len(value) for name, value in headers)
