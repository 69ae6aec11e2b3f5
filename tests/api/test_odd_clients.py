"""Clients that ask without end, do not read, or leave: what they may take of a node."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys

import psutil
import pytest
from api.inside import LOOPS, Loop, ask, connect, heard, quiet, run, running
from faults import Call, Faults

from bago_jupyter.backends import HttpBackend
from bago_jupyter.http1 import limits
from bago_jupyter.http1.server import ServerConnection
from bago_jupyter.http1.strangers import Strangers

pytestmark = pytest.mark.parametrize("loop", LOOPS)
MOST = 24 << 20
"""Bytes by which the memory of node and test together may grow."""
UNKNOWN = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b"
BODY = b'{"model":"%s"}' % (b"x" * 400)
HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"


def memory() -> int:
    return psutil.Process().memory_info().rss


def test_many_answers_at_once_bring_no_answer_that_nobody_asked_for(loop: Loop) -> None:
    async def main() -> None:
        async with running() as node:
            reader, writer = await connect(node)
            body = b'{"model":"%s"}' % (b"x" * 190_000)
            for _ in range(3):
                writer.write(UNKNOWN % (len(body), body))
                assert (await heard(reader))[0].startswith(b"http/1.1 4")
            writer.write(HEALTH)
            assert (await heard(reader))[0].startswith(b"http/1.1 200")

    run(loop, main())


def test_a_head_behind_a_running_answer_has_an_end(loop: Loop) -> None:
    async def script(call: Call) -> None:
        await call.gone.wait()

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            _, writer = await connect(node)
            writer.write(ask())
            while not server.calls:
                await asyncio.sleep(0.005)
            before = memory()
            writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
            try:
                for number in range(1000):
                    writer.write(b"x-%d: %b\r\n" % (number, b"y" * 65536))
                    await asyncio.wait_for(writer.drain(), 5)
            except (ConnectionError, TimeoutError):
                pass  # it is cut off, or read no more
            assert memory() - before < MOST
            writer.transport.abort()
            await quiet(node)

    run(loop, main())


def test_a_client_that_never_reads_is_not_read_either(loop: Loop) -> None:
    async def main() -> None:
        async with running() as node:
            reader, writer = await connect(node)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            before, sent = memory(), 0
            with contextlib.suppress(TimeoutError):
                while sent < 100_000:
                    writer.write(UNKNOWN % (len(BODY), BODY) * 20)
                    sent += 20
                    await asyncio.wait_for(writer.drain(), 2)
            assert sent < 100_000
            assert memory() - before < MOST
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            for _ in range(sent):  # and nothing was lost
                assert (await heard(reader))[0].startswith(b"http/1.1 404")

    run(loop, main())


def test_one_that_stops_reading_a_stream_loses_its_slot(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY", 0.5)

    async def script(call: Call) -> None:
        await call.sse_head()
        while not call.gone.is_set():
            await call.chunk(b"data: %b\n\n" % (b"x" * 65536))

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            _, writer = await connect(node)
            writer.write(ask(stream=True))
            while not server.calls:
                await asyncio.sleep(0.005)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await quiet(node)
            assert node.dispatcher.records.latest()[0].outcome == "cancelled"

    run(loop, main())


def test_one_that_leaves_is_noticed_also_where_it_asked_twice(loop: Loop) -> None:
    async def script(call: Call) -> None:
        await call.gone.wait()

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            _, writer = await connect(node)
            writer.write(ask() * 2)
            while not server.calls:
                await asyncio.sleep(0.005)
            writer.close()
            await asyncio.wait_for(server.calls[0].gone.wait(), 10)
            await quiet(node)

    run(loop, main())


def test_many_offers_in_one_write(loop: Loop) -> None:
    offer = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"

    async def main() -> None:
        async with running() as node:
            reader, writer = await connect(node)
            writer.write(offer * 3000)
            said = await asyncio.wait_for(reader.read(), 20)
            assert said.count(b"HTTP/1.1 200 OK") == limits.PIPELINED + 1
            assert said.count(b"HTTP/1.1 400 Bad Request") == 1

    run(loop, main())


def test_an_offer_with_a_long_head_and_a_late_body(loop: Loop) -> None:
    async def script(call: Call) -> None:
        await call.json(b"[1]")

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await connect(node)
            lines = (b"x-long: " + b"y" * 20_000, b"connection: upgrade, http2-settings", b"upgrade: h2c")
            head, _, body = ask(False, *lines).partition(b"\r\n\r\n")
            writer.write(head + b"\r\n\r\n")
            await asyncio.sleep(0.05)
            writer.write(body)
            assert (await heard(reader))[1] == b"[1]"

    run(loop, main())


def test_what_is_no_text_is_the_clients_mistake(loop: Loop) -> None:
    async def main() -> None:
        async with running() as node:
            reader, writer = await connect(node)
            body = b'{"model":"\xff\xfe"}'
            writer.write(UNKNOWN % (len(body), body))
            assert (await heard(reader))[0].startswith(b"http/1.1 400")

    run(loop, main())


@pytest.mark.skipif(sys.platform != "linux", reason="the whole of 127/8 is loopback on Linux only")
def test_a_client_with_a_key_is_no_stranger(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one that has reset its connection one of this machine."""
    monkeypatch.setattr("bago_jupyter.http1.server.is_loopback", lambda host: False)
    monkeypatch.setattr("bago_jupyter.http1.strangers.is_loopback", lambda host: False)
    locals_seen = []
    made = ServerConnection.connection_made

    def note(connection: ServerConnection, transport: asyncio.BaseTransport) -> None:
        made(connection, transport)
        locals_seen.append(connection.local)

    monkeypatch.setattr(ServerConnection, "connection_made", note)

    async def main() -> None:
        async with running(external=True, api_key="sk-one") as node:
            strangers: Strangers = node._server._strangers
            held = []
            for _ in range(80):
                reader, writer = await connect(node)
                writer.write(ask(False, b"authorization: Bearer sk-one"))
                assert (await heard(reader))[0].startswith(b"http/1.1 404")
                held.append(writer)
            assert len(strangers) == 0
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", node.file.port)) as sock:
                    sock.sendall(ask())
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            async with asyncio.timeout(10):
                while len(node._server._connections) > len(held) or len(strangers):
                    await asyncio.sleep(0.01)
            assert not any(locals_seen)

    run(loop, main())


@pytest.mark.parametrize("path", [b"/api/v1/status", b"/%61pi/v1/status", b"/api%2Fv1/log"])
def test_no_spelling_of_a_path_manages_from_elsewhere(
    loop: Loop, path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bago_jupyter.http1.server.is_loopback", lambda host: False)

    async def main() -> None:
        async with running(external=True, api_key="sk-one") as node:
            reader, writer = await connect(node)
            token = node.file.admin_token.encode()
            writer.write(b"GET %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n\r\n" % (path, token))
            assert (await heard(reader))[0].startswith(b"http/1.1 403")

    run(loop, main())
