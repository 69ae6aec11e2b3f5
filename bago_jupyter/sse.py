"""Server-sent events: read piece by piece, and written (HTML Living Standard, 9.2)."""

from __future__ import annotations

from typing import NamedTuple

MAX_EVENT = 16 << 20
"""Bytes of one event after which a stream is taken for broken."""
BOM = b"\xef\xbb\xbf"
COMMENT = b": ping\n\n"
"""Keeps a connection alive and says nothing."""


class Event(NamedTuple):
    """One event; one without data, or a comment, says nothing but is a sign of life."""

    name: bytes
    data: bytes


class TooLong(Exception):
    """An event exceeds :data:`MAX_EVENT`."""


class Events:
    """Events out of bytes that were cut anywhere. Linear in the bytes fed.

    Lines end with LF, CR or CRLF and with nothing else: U+2028 and the like are text, and may stand in JSON
    as they are.
    """

    __slots__ = ("_begun", "_cr", "_data", "_held", "_name", "_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._name = b""
        self._data: list[bytes] = []
        self._held = 0
        self._begun = False
        self._cr = False
        """Whether the last line ended with a CR, to which an LF may still belong."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes. Raises :class:`TooLong`."""
        if self._cr and chunk:
            self._cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._size += len(chunk)
        if self._size > MAX_EVENT:
            raise TooLong
        self._parts.append(chunk)
        if b"\n" not in chunk:
            return []
        lines = b"".join(self._parts).split(b"\n")
        rest = lines.pop()
        self._parts = [rest]
        events: list[Event] = []
        for line in lines:
            self._take(line, events)
        self._size = len(rest) + self._held
        return events

    def end(self) -> list[Event]:
        """The event whose last lines the server did not end, as some leave out the final blank line."""
        events: list[Event] = []
        self._take(b"".join(self._parts), events)
        self._take(b"", events)
        self._parts = []
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(BOM)
        if not line:
            if self._data:
                events.append(Event(self._name, b"\n".join(self._data)))
            self._name, self._data, self._held = b"", [], 0
        elif line.startswith(b"data:") or line == b"data":
            self._data.append(_value(line, 5))
            self._held += len(line)
        elif line.startswith(b"event:"):
            self._name = _value(line, 6)
        elif line.startswith(b":"):
            events.append(Event(b"", b""))


def _value(line: bytes, start: int) -> bytes:
    return line[start + 1 :] if line[start : start + 1] == b" " else line[start:]


def data_event(data: bytes) -> bytes:
    """An event as OpenAI writes it."""
    return b"data: %s\n\n" % data


def named_event(name: bytes, data: bytes) -> bytes:
    """An event as Anthropic writes it."""
    return b"event: %s\ndata: %s\n\n" % (name, data)
