"""A closed loop of SSE streams: each that ends starts the next, all spread evenly over time."""

from __future__ import annotations

import re
import select
import socket
import time

from .load import STREAMS, WARM, Window, request
from .mock import EVENTS
from .processes import HOST

_TIME = re.compile(rb'"t":(\d{20})\}')
_LAST = b"0\r\n\r\n"
PATIENCE = 5.0
"""Seconds that streams get to their end after the last has started."""


class _Stream:
    """One connection. It reads no more of HTTP than it must, so that many fit on one core."""

    def __init__(self, port: int, start: int):
        self.sock = socket.create_connection((HOST, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.start = start
        self.open = False

    def send(self, data: bytes) -> None:
        self.events = 0
        self.tail = b""
        self.open = True
        self.sent = time.monotonic_ns()
        self.sock.send(data)

    def receive(self, window: Window) -> bool | None:
        """Take what came; ``True`` at a proper end, ``False`` at any other, ``None`` in between."""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            return False
        now = time.monotonic_ns()
        counts = window.begin <= now < window.end
        if self.tail:
            data = self.tail + data
        end = 0
        for match in _TIME.finditer(data):
            if counts:
                if not self.events:
                    window.first.append((now - self.sent) / 1e3)
                window.events.append((now - int(match[1])) / 1e3)
            self.events += 1
            end = match.end()
        self.tail = data[end:] if len(data) - end > 4 else b""
        if not data:
            return False
        if data.endswith(_LAST):
            return self.events == EVENTS and b"data: [DONE]" in self.tail
        return None


def run(port: int, seconds: float) -> Window:
    """Stream for ``seconds`` after a warm-up in which the streams start one after another."""
    data = request(port, stream=True)
    streams = {
        stream.sock.fileno(): stream
        for stream in (_Stream(port, int(WARM * 1e9 * number / STREAMS)) for number in range(STREAMS))
    }
    poll = select.epoll()
    for number in streams:
        poll.register(number, select.EPOLLIN)
    begin = time.monotonic_ns()
    window = Window(begin + int(WARM * 1e9), seconds)
    waiting = list(streams.values())[::-1]
    running = 0
    while running or waiting:
        now = time.monotonic_ns()
        if now > window.end + PATIENCE * 1e9:
            break
        while waiting and begin + waiting[-1].start <= now:
            waiting.pop().send(data)
            running += 1
        for number, _ in poll.poll(0.001 if waiting else 1):
            stream = streams[number]
            good = stream.receive(window)
            if good is None:
                continue
            if stream.open:
                running -= 1
                window.total += stream.events
                window.answers += good
                window.failed += not good
                stream.open = False
            if not good:
                poll.unregister(number)
            elif time.monotonic_ns() < window.end:
                stream.send(data)
                running += 1
    window.failed += running
    return window
