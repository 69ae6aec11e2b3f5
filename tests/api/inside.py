"""A node in this process, over both kinds of loop, and one raw client of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, Literal

from bago_jupyter.backends.base import Backend
from bago_jupyter.core import Node
from bago_jupyter.loops import loop_factory
from bago_jupyter.settings import Settings

Loop = Literal["uvloop", "asyncio"]
LOOPS: tuple[Loop, ...] = ("uvloop", "asyncio")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def run(loop: Loop, work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(asyncio.wait_for(work, 60))


@contextlib.asynccontextmanager
async def running(*backends: Backend, **values: Any) -> AsyncIterator[Node]:
    with tempfile.TemporaryDirectory() as home:
        node = Node(Settings.load({"home": Path(home), "port": 0, **values}, {}), backends=backends)
        await node.start()
        try:
            yield node
        finally:
            for _, writer in _clients.pop(node, ()):
                writer.transport.abort()
            await node.stop()


_clients: dict[Node, list[Streams]] = {}


async def connect(node: Node) -> Streams:
    """A client, which ends with the node."""
    client = await asyncio.open_connection("127.0.0.1", node.file.port, limit=1 << 26)
    _clients.setdefault(node, []).append(client)
    return client


def ask(stream: bool = False, *lines: bytes, model: str = "m") -> bytes:
    """A chat completion."""
    fields = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    body = json.dumps(fields).encode()
    head = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"host: localhost",
        *lines,
        b"content-length: %d" % len(body),
    ]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


async def heard(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head, in lower case, and body of one answer that tells its length or comes in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length: " in head:
        return head, await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return head, b"".join(parts)


async def quiet(node: Node) -> None:
    """Wait until nothing is under way and every slot is free."""
    async with asyncio.timeout(10):
        while node.dispatcher.books.flying or any(load.in_flight for load in node.dispatcher.loads.values()):
            await asyncio.sleep(0.005)
