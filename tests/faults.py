"""A backend that misbehaves on demand: raw bytes over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType

Script = Callable[["Call"], Awaitable[None]]
"""What the server does with one request; the connection stays open if it returns ``None``."""


class Call:
    """One request as it arrived, and the ways to answer it."""

    def __init__(self, head: bytes, body: bytes, writer: asyncio.StreamWriter, number: int):
        self.head = head
        self.body = body
        self.number = number
        """Counts the requests of the server from 1."""
        self.gone = asyncio.Event()
        """Set when the other side closed the connection."""
        self._writer = writer

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def json(self, body: bytes = b"{}", status: int = 200, extra: bytes = b"") -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % (
            status,
            len(body),
        )
        await self.raw(head + extra + b"\r\n" + body)

    async def sse_head(self) -> None:
        await self.raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    def drop(self) -> None:
        """Close the connection without a word."""
        self._writer.transport.abort()

    def close(self) -> None:
        """Close the connection once all that was said has left."""
        self._writer.close()


class Faults:
    """``async with Faults(script) as server``: every request runs ``script``."""

    def __init__(self, script: Script):
        self.script = script
        self.calls: list[Call] = []
        self.connections = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Faults:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 28)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line[15:])
                        for line in head.lower().split(b"\r\n")
                        if line.startswith(b"content-length:")
                    ),
                    0,
                )
                body = await reader.readexactly(length)
                call = Call(head, body, writer, len(self.calls) + 1)
                self.calls.append(call)
                await self._run(call, reader)
        writer.close()

    async def _run(self, call: Call, reader: asyncio.StreamReader) -> None:
        script = asyncio.ensure_future(self._quiet(call))
        watch = asyncio.ensure_future(self._watch(call, reader))
        try:
            await script
        finally:
            script.cancel()
            watch.cancel()
            await asyncio.gather(script, watch, return_exceptions=True)

    async def _quiet(self, call: Call) -> None:
        try:
            await self.script(call)
        except ConnectionError:
            call.gone.set()

    @staticmethod
    async def _watch(call: Call, reader: asyncio.StreamReader) -> None:
        while not reader.at_eof() and reader.exception() is None:
            await asyncio.sleep(0.005)
        call.gone.set()
