"""The last line of a stream that may bring more of them than anybody can use."""

from __future__ import annotations

from ..errors import UpstreamFailed


class Latest:
    """Cuts lines. ``most`` is the longest, in bytes, that is waited for."""

    def __init__(self, most: int):
        self._most = most
        self._rest = bytearray()
        """The beginning of a line."""

    def feed(self, data: bytes) -> bytes:
        """The last line that ends in ``data``, ``b""`` where none does; empty ones and those before it do not
        count. Raises :class:`UpstreamFailed` for a line that is too long."""
        end = data.rfind(b"\n")
        if end < 0:
            self._rest += data
            line = b""
        else:
            whole = data[:end].rstrip(b"\n")
            _, newline, last = whole.rpartition(b"\n")
            line = last if newline else bytes(self._rest) + last
            self._rest = bytearray(data[end + 1 :])
        if max(len(line), len(self._rest)) > self._most:
            raise UpstreamFailed("it sends a line that is too long")
        return line
