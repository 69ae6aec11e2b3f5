"""What comes beside the body of a message: chunk sizes, their extensions, trailers (RFC 9112, 7.1)."""

from __future__ import annotations

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
