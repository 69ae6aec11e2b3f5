"""What is around a server connection in its tests: a loop, a clock, a transport, a sweep, a listener."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

HIGH = 150
"""Bytes that wait at which the transport holds the writer back."""


class Loop:
    """Calls what was put off once it is told to."""

    def __init__(self) -> None:
        self.ready: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    def call_soon(self, call: Callable[..., Any], *args: Any) -> None:
        self.ready.append((call, args))

    def turn(self) -> None:
        """One turn."""
        for _ in range(len(self.ready)):
            call, args = self.ready.popleft()
            call(*args)

    def run(self) -> None:
        """Turns until nothing is put off."""
        while self.ready:
            self.turn()


class Clock:
    """Stands in for the module ``time``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Watch:
    """A sweep that looks when it is told to."""

    date = b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"

    def __init__(self) -> None:
        self.watched: set[Any] = set()

    def watch(self, thing: Any) -> None:
        self.watched.add(thing)

    def forget(self, thing: Any) -> None:
        self.watched.discard(thing)

    def look(self, now: float) -> None:
        """Tell what is overdue."""
        for thing in [thing for thing in self.watched if thing.deadline <= now]:
            thing.overdue(now)


class Door:
    """A listener that only counts."""

    def __init__(self) -> None:
        self.here = self.gone = self.knows = 0

    def made(self, connection: Any) -> None:
        self.here += 1

    def lost(self, connection: Any) -> None:
        self.gone += 1

    def known(self, connection: Any) -> None:
        self.knows += 1


class Wire:
    """A transport: what is written is kept, and ``protocol`` is told of everything as asyncio tells it."""

    def __init__(self, loop: Loop, clock: Clock, protocol: asyncio.Protocol, half: bool):
        self.protocol = protocol
        self.written = bytearray()
        self.late: list[bytes] = []
        """What was written after it was closed."""
        self.reading = True
        self.unsent = 0
        self.full_at = 0.0
        self.blocked = self.full = self.slow = self.eof = self.lost = False
        """The client does not read; the writer was told so; something waited for it once; no more is said;
        it is over."""
        self.closed = ""
        """How it was closed: ``close`` or ``abort``, or ``peer``: by the client."""
        self._loop, self._clock = loop, clock
        self.half = half
        self._ending = False

    def get_extra_info(self, name: str) -> Any:
        return None

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return bool(self.closed)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def can_write_eof(self) -> bool:
        return self.half

    def write_eof(self) -> None:
        self.eof = True

    def write(self, data: bytes) -> None:
        if self.eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.closed:
            self.late.append(bytes(data))
            return
        self.written += data
        if self.blocked:
            self.slow = True
            self.unsent += len(data)
            if self.unsent > HIGH and not self.full:
                self.full, self.full_at = True, self._clock.now
                self.protocol.pause_writing()

    def close(self) -> None:
        if not self.closed:
            self.closed = "close"
            if not self.unsent:
                self._end(None)

    def abort(self) -> None:
        if not self.lost:
            self.closed = "abort"
            self.unsent = 0
            self._end(None)

    # -- what the client does

    def drain(self, size: int) -> None:
        """The client reads so many bytes of what waits."""
        self.unsent = max(0, self.unsent - size)
        if self.full and not self.unsent and self.closed in ("", "close"):
            self.full = False
            self.protocol.resume_writing()
        if self.closed == "close" and not self.unsent:
            self._end(None)

    def leave(self, error: Exception | None) -> None:
        """The client goes."""
        if not self.closed:
            self.closed = "peer"
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        if not self._ending:
            self._ending = True
            self._loop.call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        self.lost = True
        self.protocol.connection_lost(error)
