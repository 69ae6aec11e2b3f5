"""Whole server-sent events out of a stream of bytes."""

from __future__ import annotations

MAX_EVENT = 1 << 20
"""Bytes of one event after which it is passed on in parts."""


class WholeEvents:
    """Holds back the last event until it is whole, so that a stream which breaks never ends in half a one.

    Events end with a blank line; lines end with LF, CRLF or CR (HTML Living Standard, 9.2.6). Whole events
    pass without being copied.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        """The whole events up to here, which may be none."""
        if self._tail:
            chunk = self._tail + chunk
            self._tail = b""
        if chunk.endswith((b"\n\n", b"\n\r\n", b"\r\r")):
            return chunk
        lf, crlf, cr = chunk.rfind(b"\n\n"), chunk.rfind(b"\n\r\n"), chunk.rfind(b"\r\r")
        cut = max(lf + 2 if lf >= 0 else 0, crlf + 3 if crlf >= 0 else 0, cr + 2 if cr >= 0 else 0)
        if len(chunk) - cut <= MAX_EVENT:
            chunk, self._tail = chunk[:cut], chunk[cut:]
        return chunk

    def rest(self) -> bytes:
        """What is left at the end of a stream that ended well."""
        tail, self._tail = self._tail, b""
        return tail
