"""Backends that fail in every way, and a dispatcher over them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from faults import Call, Faults

from bago_jupyter.backends import Answer, Dispatcher, HttpBackend, Request
from bago_jupyter.events import Bus
from bago_jupyter.router import Shape

Script = Callable[[Call], Awaitable[None]]
SHAPE = Shape(model="m", prompt_tokens=10)
REQUEST = {"path": b"/v1/chat/completions", "body": b'{"model":"m"}', "header_timeout": 30.0}
SOON = 1.0
"""Seconds after which a backend counts as frozen, where one is: the others have to be faster."""


async def good(call: Call) -> None:
    await call.json(b'{"usage":{"prompt_tokens":7,"completion_tokens":5}}')


async def dead(call: Call) -> None:
    call.drop()


async def frozen(call: Call) -> None:
    await call.gone.wait()


async def half(call: Call) -> None:
    await call.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
    call.drop()


async def silent_stream(call: Call) -> None:
    await call.sse_head()
    call.drop()


async def broken_stream(call: Call) -> None:
    await call.sse_head()
    await call.chunk(b"data: 1\n\n")
    call.drop()


def answers(status: int, extra: bytes = b"") -> Script:
    return lambda call: call.json(b'{"error":{"message":"no"}}', status, extra)


class Mesh:
    """A dispatcher over fault servers named a, b, c..., tried in that order under ``priority``."""

    def __init__(self, *scripts: Script):
        self.scripts = scripts
        self.dispatcher = Dispatcher(Bus(), policy="priority")
        self.servers: list[Faults] = []
        self.request = dict(REQUEST)
        self._count = 0

    async def __aenter__(self) -> Mesh:
        self._stack = AsyncExitStack()
        for name, script in zip("abcdef", self.scripts, strict=False):
            server = await self._stack.enter_async_context(Faults(script))
            self.servers.append(server)
            self.dispatcher.add(HttpBackend(name, server.url, ["m"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.close()
        await self._stack.aclose()

    async def open(self, shape: Shape = SHAPE) -> Answer:
        self._count += 1
        return await self.dispatcher.open(Request(id=f"r{self._count}", **self.request), shape)  # type: ignore[arg-type]

    async def ask(self, shape: Shape = SHAPE) -> bytes:
        answer, parts = await self.open(shape), []
        while chunk := await answer.read():
            parts.append(chunk)
        return b"".join(parts)

    @property
    def records(self) -> list[Any]:
        """All decisions, the oldest first."""
        return self.dispatcher.records.latest(1000)[::-1]

    @property
    def last(self) -> Any:
        return self.dispatcher.records.latest()[0]


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))
