"""An open loop: requests leave on time, on a fresh connection when every other still waits."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import httptools
import uvloop

from .load import RATE, WARM, Window, request
from .processes import HOST

PATIENCE = 5.0
"""Seconds that the last answers get."""


class _Connection(asyncio.Protocol):
    """One keep-alive connection; ``idle`` gets it back after each good answer."""

    def __init__(self, window: Window, idle: list[_Connection]):
        self.window = window
        self.idle = idle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, data: bytes) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.sent = time.monotonic_ns()
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.now = time.monotonic_ns()
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() != 200:
            return
        self.window.answers += 1
        if self.window.begin <= self.sent < self.window.end:
            self.window.first.append((self.now - self.sent) / 1e3)
        self.idle.append(self)


async def _run(port: int, seconds: float) -> Window:
    loop = asyncio.get_running_loop()
    data = request(port, stream=False)
    window = Window(time.monotonic_ns() + int(WARM * 1e9), seconds)
    idle: list[_Connection] = []

    async def connect() -> _Connection:
        _, connection = await loop.create_connection(lambda: _Connection(window, idle), HOST, port)
        return connection

    idle += [await connect() for _ in range(8)]
    sent = 0
    due = loop.time()
    while time.monotonic_ns() < window.end:
        connection = idle.pop() if idle else await connect()
        connection.send(data)
        sent += 1
        due += 1 / RATE
        await asyncio.sleep(due - loop.time())
    for _ in range(int(PATIENCE / 0.02)):
        if window.answers == sent:
            break
        await asyncio.sleep(0.02)
    window.failed = sent - window.answers
    return window


def run(port: int, seconds: float) -> Window:
    """Send for ``seconds`` after a warm-up of the same load."""
    return uvloop.run(_run(port, seconds))
