"""Answers are over with their last word, whatever their servers do behind it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from backends.failing import Mesh, Script, run
from faults import Call, Faults

from bago_jupyter.backends import HttpBackend
from bago_jupyter.core import Node
from bago_jupyter.errors import BagoError
from bago_jupyter.router import Shape
from bago_jupyter.settings import Settings

WHOLE = Shape(model="m")
STREAM = Shape(model="m", stream=True)
ONE = b'data: {"choices":[{"index":0,"delta":{"content":"one "}}]}\n\n'
TWO = b'data: {"choices":[{"index":0,"delta":{"content":"two"},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
SOON = 10


def holding(*pieces: bytes, comments: bool = False) -> Script:
    async def script(call: Call) -> None:
        await call.sse_head()
        for piece in pieces:
            await call.chunk(piece)
        while comments and not call.gone.is_set():
            await call.chunk(b": ping\n\n")
            await asyncio.sleep(0.02)
        await call.gone.wait()

    return script


def breaking(*pieces: bytes) -> Script:
    async def script(call: Call) -> None:
        await call.sse_head()
        for piece in pieces:
            await call.chunk(piece)
        await asyncio.sleep(0)
        call.close()

    return script


@pytest.mark.parametrize("comments", [False, True])
@pytest.mark.parametrize("first", [ONE, b": hi\n\n"], ids=["short", "long"])
@pytest.mark.parametrize("shape", [WHOLE, STREAM], ids=["whole", "stream"])
def test_nobody_waits_behind_the_last_word(shape: Shape, first: bytes, comments: bool) -> None:
    async def main() -> None:
        async with Mesh(holding(first, ONE, TWO, DONE, comments=comments)) as mesh:
            told = await asyncio.wait_for(mesh.ask(shape), SOON)
            if shape.stream:
                assert TWO + DONE in told
            else:
                assert json.loads(told)["choices"][0]["message"]["content"].endswith("one two")
            assert mesh.last.outcome == "ok"
            await asyncio.wait_for(mesh.servers[0].calls[0].gone.wait(), SOON)

    run(main())


@pytest.mark.parametrize("shape", [WHOLE, STREAM], ids=["whole", "stream"])
def test_the_connection_is_kept_where_the_end_comes_at_once(shape: Shape) -> None:
    async def script(call: Call) -> None:
        await call.sse_head()
        await call.chunk(ONE + TWO)
        await call.chunk(DONE)
        await asyncio.sleep(0.02)
        await call.raw(b"0\r\n\r\n")

    async def main() -> None:
        async with Mesh(script) as mesh:
            for _ in range(3):
                await mesh.ask(shape)
                await asyncio.sleep(0.1)
            assert mesh.servers[0].connections == 1

    run(main())


@pytest.mark.parametrize("half", [b"", b'data: {"choi'])
@pytest.mark.parametrize("first", [ONE, b": hi\n\n"], ids=["short", "long"])
@pytest.mark.parametrize("shape", [WHOLE, STREAM], ids=["whole", "stream"])
def test_what_breaks_behind_the_reason_to_finish_is_whole(shape: Shape, first: bytes, half: bytes) -> None:
    async def main() -> None:
        async with Mesh(breaking(first, ONE, TWO, *([half] if half else []))) as mesh:
            told = await asyncio.wait_for(mesh.ask(shape), SOON)
            assert b"error" not in told and b"two" in told
            assert mesh.last.outcome == "ok"
            assert not any(it.failures for it in mesh.dispatcher.breakers.all.values())

    run(main())


def test_one_choice_that_is_not_finished_is_missed() -> None:
    async def main() -> None:
        other = b'data: {"choices":[{"index":1,"delta":{"content":"un "}}]}\n\n'
        async with Mesh(breaking(ONE, other, TWO)) as mesh:
            with pytest.raises(BagoError):
                await mesh.ask(WHOLE)

    run(main())


@asynccontextmanager
async def fronted(script: Script, home: Path) -> AsyncIterator[tuple[Faults, Node]]:
    """A server that follows ``script``, and a node before it."""
    async with Faults(script) as server:
        values = {"home": home, "port": 0}
        node = Node(Settings.load(values, {}), backends=[HttpBackend("up", server.url, ["m"])])
        await node.start()
        try:
            yield server, node
        finally:
            await node.stop()


async def stream_of(node: Node) -> bytes:
    """All that a client gets, until the end of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.file.port)
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer none\r\n")
    writer.write(b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    head = await reader.readuntil(b"\r\n\r\n")
    if length := re.search(rb"content-length: (\d+)", head.lower()):
        told = await reader.readexactly(int(length[1]))
    else:
        told = await reader.readuntil(b"\r\n0\r\n\r\n")
    writer.close()
    return told


@pytest.mark.parametrize(
    ("script", "holds"),
    [(holding(ONE, TWO, DONE), True), (breaking(ONE, TWO), False), (breaking(ONE, TWO, b"data"), False)],
)
def test_a_client_of_the_short_way_has_its_end(script: Script, holds: bool, tmp_path: Path) -> None:
    async def main() -> None:
        async with fronted(script, tmp_path) as (server, node):
            for _ in range(2):
                told = await asyncio.wait_for(stream_of(node), SOON)
                assert b"two" in told and b"error" not in told
            assert node.dispatcher.counts.ok == 2
            if holds:
                await asyncio.wait_for(server.calls[0].gone.wait(), SOON)

    run(main())


def test_the_short_way_keeps_the_connection_too(tmp_path: Path) -> None:
    async def script(call: Call) -> None:
        await call.sse_head()
        await call.chunk(ONE + TWO + DONE)
        if call.number > 1:  # the first opens the connection, on the long way
            await answered.wait()
        await call.raw(b"0\r\n\r\n")

    answered = asyncio.Event()

    async def main() -> None:
        async with fronted(script, tmp_path) as (server, node):
            for _ in range(3):
                answered.clear()
                assert b"[DONE]" in await asyncio.wait_for(stream_of(node), SOON)
                answered.set()
                await asyncio.sleep(0.1)
            assert server.connections == 1

    run(main())
