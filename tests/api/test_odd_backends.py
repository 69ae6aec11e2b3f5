"""Answers of backends that are large, odd or broken, asked over a connection that was kept."""

from __future__ import annotations

import asyncio

import pytest
from api.inside import LOOPS, Loop, Streams, ask, connect, heard, quiet, run, running
from faults import Call, Faults

from bago_jupyter.backends import HttpBackend
from bago_jupyter.core import Node

pytestmark = pytest.mark.parametrize("loop", LOOPS)


async def warm(node: Node) -> Streams:
    """A client, and a connection to the backend that is kept."""
    reader, writer = await connect(node)
    writer.write(ask())
    assert (await heard(reader))[0].startswith(b"http/1.1 200")
    return reader, writer


@pytest.mark.parametrize("size", [100, 262_143, 262_144, 262_145, 400_000, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_a_whole_answer_of_any_size_arrives(loop: Loop, size: int) -> None:
    async def script(call: Call) -> None:
        await call.json(b'{"choices":["%s"]}' % (b"x" * (size - 16)) if call.number > 1 else b"{}")

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await warm(node)
            for _ in range(2):
                writer.write(ask())
                head, body = await asyncio.wait_for(heard(reader), 20)
                assert head.startswith(b"http/1.1 200") and len(body) == size
            await quiet(node)

    run(loop, main())


@pytest.mark.parametrize("extra", [b"", b"connection: close\r\n"])
@pytest.mark.parametrize("behind", [b"}", b"xx", b"HTTP/1.1 500 no\r\n\r\n"])
def test_what_comes_behind_an_answer_spoils_its_connection(loop: Loop, extra: bytes, behind: bytes) -> None:
    async def script(call: Call) -> None:
        if call.number == 1:
            await call.json(b"[1]")
        else:
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n"
            await call.raw(head + extra + b"\r\n[2]" + behind)

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await warm(node)
            for _ in range(3):
                writer.write(ask())
                assert (await asyncio.wait_for(heard(reader), 10))[1] == b"[2]"
            await quiet(node)
            assert {told.outcome for told in node.dispatcher.records.latest(9)} == {"ok"}

    run(loop, main())


def test_trailers_of_one_answer_are_no_headers_of_the_next(loop: Loop) -> None:
    async def script(call: Call) -> None:
        if call.number == 2:
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
            await call.raw(head + b"3\r\n[2]\r\n0\r\nx-secret: of another\r\ncontent-type: text/evil\r\n\r\n")
        else:
            await call.json(b"[1]")

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await warm(node)
            for _ in range(2):
                writer.write(ask())
                head, _ = await heard(reader)
                assert b"secret" not in head and b"evil" not in head
                assert head.count(b"content-type: application/json") == 1
            assert server.connections == 1

    run(loop, main())


@pytest.mark.parametrize("stream", [False, True])
def test_half_a_body_without_a_length_is_not_whole_when_the_node_cuts_it(loop: Loop, stream: bool) -> None:
    begun = asyncio.Event()

    async def script(call: Call) -> None:
        if call.number == 1:
            await call.json(b"[1]")
            return
        kind = b"text/event-stream" if stream else b"application/json"
        await call.raw(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b'\r\n\r\ndata: {"half\n\n')
        begun.set()
        await call.gone.wait()

    async def main() -> None:
        async with Faults(script) as server:
            backend = HttpBackend("up", server.url, ["m"])
            async with running(backend) as node:
                reader, writer = await warm(node)
                writer.write(ask(stream))
                await begun.wait()
                if stream:
                    await reader.readuntil(b"half\n\n")
                node.dispatcher.remove(backend.id)
                await backend.close()
                if stream:
                    assert b'"error"' in await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 10)
                else:
                    head, body = await asyncio.wait_for(heard(reader), 10)
                    assert not head.startswith(b"http/1.1 200") and b'"error"' in body
                await quiet(node)
                assert node.dispatcher.records.latest()[0].outcome == "failed"

    run(loop, main())


def test_a_backend_that_changes_the_protocol_is_none(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def script(call: Call) -> None:
        if call.number == 1:
            await call.json(b"[1]")
        else:
            await call.raw(b"HTTP/1.1 101 X\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nrest")

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await warm(node)
            writer.write(ask())
            assert (await asyncio.wait_for(heard(reader), 10))[0].startswith(b"http/1.1 502")
            await quiet(node)

    run(loop, main())
    assert not [record for record in caplog.records if record.name == "asyncio"]
