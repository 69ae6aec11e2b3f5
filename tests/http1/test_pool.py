"""The HTTP/1.1 client against real sockets, the well-behaved and the others."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from faults import Call, Faults

from bago_jupyter.errors import UpstreamFailed, UpstreamTimeout
from bago_jupyter.http1 import Pool, Response
from bago_jupyter.loops import loop_factory

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n"


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    def runner(coroutine: Any) -> None:
        with asyncio.Runner(loop_factory=loop_factory(request.param)) as loop:
            loop.run(asyncio.wait_for(coroutine, 60))

    return runner


Run = Callable[[Any], None]


async def send(pool: Pool, body: bytes = b"", timeout: float = 30.0) -> Response:
    return await pool.send(HEAD % len(body) + b"", body, timeout)


async def body_of(exchange: Response) -> bytes:
    parts = []
    while chunk := await exchange.read():
        parts.append(chunk)
    return b"".join(parts)


def test_connections_are_kept_and_bodies_pass_unchanged(run: Run) -> None:
    async def echo(call: Call) -> None:
        await call.json(call.body)

    async def main() -> None:
        async with Faults(echo) as server:
            pool = Pool("127.0.0.1", server.port)
            for size in (0, 1, 70_000, 3_000_000):
                body = os.urandom(size)
                exchange = await send(pool, body)
                assert (exchange.status, await body_of(exchange)) == (200, body)
                assert exchange.header(b"content-type") == b"application/json"
            assert server.connections == 1
            pool.close()

    run(main())


def test_a_stream_arrives_piece_by_piece(run: Run) -> None:
    async def main() -> None:
        step = asyncio.Event()

        async def script(call: Call) -> None:
            await call.sse_head()
            for number in range(3):
                await call.chunk(b"data: %d\n\n" % number)
                await step.wait()
                step.clear()
            await call.raw(b"0\r\n\r\n")

        async with Faults(script) as server:
            exchange = await send(Pool("127.0.0.1", server.port))
            for number in range(3):
                assert await exchange.read() == b"data: %d\n\n" % number
                step.set()
            assert await exchange.read() == b""
            assert exchange.complete

    run(main())


def test_interim_answers_are_skipped(run: Run) -> None:
    async def script(call: Call) -> None:
        await call.raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        await call.json(b"[1]")

    async def main() -> None:
        async with Faults(script) as server:
            pool = Pool("127.0.0.1", server.port)
            for _ in range(2):
                exchange = await send(pool)
                assert (exchange.status, await body_of(exchange)) == (200, b"[1]")
            assert server.connections == 1

    run(main())


def test_a_body_without_a_length_ends_with_the_connection(run: Run) -> None:
    async def script(call: Call) -> None:
        await call.raw(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        call._writer.close()

    async def main() -> None:
        async with Faults(script) as server:
            assert await body_of(await send(Pool("127.0.0.1", server.port))) == b"all of it"

    run(main())


def test_a_stale_connection_is_replaced_once(run: Run) -> None:
    async def script(call: Call) -> None:
        if call.number == 2:
            call.drop()
        else:
            await call.json(b"%d" % call.number)

    async def main() -> None:
        async with Faults(script) as server:
            pool = Pool("127.0.0.1", server.port)
            assert await body_of(await send(pool)) == b"1"
            assert await body_of(await send(pool)) == b"3"
            assert server.connections == 2

    run(main())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "before it answered"),
        (b"HTTP/1.1 200", "before it answered"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 70_000 + b"\r\n\r\n", "too large"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", "change the protocol"),
    ],
)
def test_what_is_no_answer_is_said(run: Run, answer: bytes, said: str) -> None:
    async def script(call: Call) -> None:
        await call.raw(answer)
        call.drop() if not answer else call._writer.close()

    async def main() -> None:
        async with Faults(script) as server:
            with pytest.raises(UpstreamFailed, match=said):
                await send(Pool("127.0.0.1", server.port))

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nrubbish\r\n",
    ],
)
def test_a_cut_body_is_an_error_after_what_arrived(run: Run, answer: bytes) -> None:
    async def script(call: Call) -> None:
        await call.raw(answer)
        call._writer.close()

    async def main() -> None:
        async with Faults(script) as server:
            exchange = await send(Pool("127.0.0.1", server.port))
            assert await exchange.read() == b"half"
            with pytest.raises(UpstreamFailed):
                await exchange.read()

    run(main())


def test_more_than_announced_spoils_the_connection_not_the_answer(run: Run) -> None:
    async def script(call: Call) -> None:
        await call.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 smuggled\r\n\r\n")

    async def main() -> None:
        async with Faults(script) as server:
            pool = Pool("127.0.0.1", server.port)
            for _ in range(2):
                exchange = await send(pool)
                assert (exchange.status, await body_of(exchange)) == (200, b"ok")
            assert server.connections == 2

    run(main())


def test_no_head_by_the_deadline(run: Run) -> None:
    async def script(call: Call) -> None:
        await call.gone.wait()

    async def main() -> None:
        async with Faults(script) as server:
            with pytest.raises(UpstreamTimeout, match=r"0\.05 s"):
                await send(Pool("127.0.0.1", server.port), timeout=0.05)
            await asyncio.wait_for(server.calls[0].gone.wait(), 30)

    run(main())


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as deaf:  # it has the port, and does not listen
            deaf.bind(("127.0.0.1", 0))
            with pytest.raises(UpstreamFailed, match="No connection"):
                await send(Pool("127.0.0.1", deaf.getsockname()[1]))

    run(main())


@pytest.mark.parametrize("when", ["before the head", "in the body"])
def test_closing_tells_the_backend_at_once(run: Run, when: str) -> None:
    async def script(call: Call) -> None:
        if when == "in the body":
            await call.sse_head()
            await call.chunk(b"data: 1\n\n")
        await call.gone.wait()

    async def main() -> None:
        async with Faults(script) as server:
            pool = Pool("127.0.0.1", server.port)
            task = asyncio.ensure_future(send(pool))
            if when == "in the body":
                exchange = await task
                await exchange.read()
                exchange.close()
            else:
                while not server.calls:
                    await asyncio.sleep(0.001)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await asyncio.wait_for(server.calls[0].gone.wait(), 30)

    run(main())


def test_a_slow_reader_holds_the_backend_back(run: Run) -> None:
    total = 64 * 1024 * 1024
    sent = 0

    async def script(call: Call) -> None:
        nonlocal sent
        await call.raw(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while sent < total:
            await call.raw(b"x" * 65536)
            sent += 65536

    async def main() -> None:
        async with Faults(script) as server:
            exchange = await send(Pool("127.0.0.1", server.port))
            before = -1
            while sent != before:  # until the backend is stuck
                before = sent
                await asyncio.sleep(0.2)
            assert sent < total / 2
            assert len(await body_of(exchange)) == total

    run(main())


def test_a_long_request_over_a_slow_network_is_no_silence(run: Run) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            left = len(body)
            while left:
                left -= len(await reader.read(500_000))
                await asyncio.sleep(0.04)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            await reader.read()
            writer.close()

        body = bytes(10_000_000)
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        pool = Pool("127.0.0.1", server.sockets[0].getsockname()[1])
        exchange = await send(pool, body, timeout=1.0)
        assert exchange.status == 200
        pool.close()
        server.close()

    run(main())


def test_a_backend_that_does_not_read_is_silent(run: Run) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await done.wait()
            writer.transport.abort()

        done = asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        pool = Pool("127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(UpstreamTimeout):
            await send(pool, bytes(50_000_000), timeout=0.2)
        pool.close()
        done.set()
        server.close()

    run(main())


def test_a_status_that_http_has_not(run: Run) -> None:
    async def main() -> None:
        async with Faults(lambda call: call.json(status=999)) as server:
            pool = Pool("127.0.0.1", server.port)
            with pytest.raises(UpstreamFailed, match="status that HTTP has not"):
                await send(pool)
            pool.close()

    run(main())


def test_a_server_behind_a_unix_socket(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")

    async def main() -> None:
        server = await asyncio.start_unix_server(answer, path)
        pool = Pool("localhost", 80, socket=path)
        for _ in range(2):
            assert await body_of(await send(pool)) == b"hi"
        assert len(pool.idle) == 1
        pool.close()
        server.close()
        for gone in (path, str(tmp_path / "never")):
            with pytest.raises(UpstreamFailed, match="No connection to .*" + gone) as caught:
                await send(Pool("localhost", 80, socket=gone))
            assert caught.value.cause == "refused"

    run(main())
