"""Every answer of the table, as our own clients read it: straight from the server, and through a node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from headless import Headless
from shapes.fronted import fronted
from shapes.server import ShapeServer
from shapes.shape import DONE, Shape, at, chunked, event, head, raw_stream, says, whole
from shapes.table import TABLE

from bago_jupyter.client import AsyncNodeClient, NodeClient, Reply
from bago_jupyter.errors import BagoError
from bago_jupyter.wire import NodeFile

EVENTS = [event(it) for it in [*says("one ", "two"), DONE]]
OPEN = head(200, "text/event-stream", "transfer-encoding: chunked")
MORE = {
    "silence-behind-done": Shape("", "stream", (OPEN, *chunked(EVENTS, b"")), text="one two"),
    "cut-behind-the-finish": Shape(
        "", "stream", (OPEN, *chunked(EVENTS[:-1], b"")), text="one two", closes=True
    ),
    "packed-and-broken": whole("", b"no gzip", "content-encoding: gzip", fails="unpacked", finish=None),
    "too-long": raw_stream("", [b"data: {" + b"x" * (17 << 20)], fails="too long", finish=None),
    "too-long-a-whole": whole("", b"{" + b"x" * (17 << 20), fails="too long", finish=None),
    "too-deep": whole("", b'{"error": ' + b"[" * 100_000, fails="no answer", finish=None),
    "not-http": Shape("", "whole", (b"SSH-2.0-x\r\n",), fails="", finish=None, closes=True),
}
"""Answers that only a client is given, and no node passes on."""
HI = [{"role": "user", "content": "hi"}]
EACH = pytest.mark.parametrize("shape", TABLE.values(), ids=TABLE)


@pytest.fixture(scope="module")
def server() -> Iterator[ShapeServer]:
    with ShapeServer(TABLE) as running:
        yield running


@pytest.fixture(scope="module")
def node(server: ShapeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    """A node with a connection to the server."""
    with fronted(server, tmp_path_factory.mktemp("shapes") / "home") as made:
        yield made


def straight(server: ShapeServer) -> NodeFile:
    """The server as if it were a node."""
    return NodeFile(
        pid=1,
        host="127.0.0.1",
        port=server.port,
        started_at=0,
        place="headless",
        version="0",
        fingerprint="fp_0",
        admin_token="t",
    )


def ask(client: NodeClient, shape: Shape) -> None:
    """Hold what ``client`` reads against what the answer says."""
    got, reply, error = "", None, None
    try:
        with client.chat(HI, model=shape.name) as (reply, pieces):
            for piece in pieces:
                got += piece
    except BagoError as told:
        error = told
    compare(shape, got, reply, error)


async def ask_async(client: AsyncNodeClient, shape: Shape) -> None:
    got, reply, error = "", None, None
    try:
        async with client.chat(HI, model=shape.name) as (reply, pieces):
            async for piece in pieces:
                got += piece
    except BagoError as told:
        error = told
    compare(shape, got, reply, error)


def compare(shape: Shape, got: str, reply: Reply | None, error: BagoError | None) -> None:
    if shape.fails is not None:
        assert error is not None, (got, reply and reply.text)
        assert shape.fails in error.message
        assert error.message.strip() and "\n" not in error.message
    else:
        assert error is None, error
        assert reply is not None
        assert reply.reasoning == shape.reasoning
        assert shape.finish in (None, reply.finish_reason)
        if shape.tokens is not None:
            assert reply.tokens == shape.tokens[1]
    assert got == shape.text
    assert reply is None or reply.text == got


@EACH
def test_straight_from_the_server(server: ShapeServer, shape: Shape) -> None:
    with NodeClient(straight(server)) as client:
        ask(client, shape)


@pytest.mark.parametrize("name", MORE)
def test_what_no_node_passes_on(name: str) -> None:
    with ShapeServer(MORE) as server, NodeClient(straight(server)) as client:
        ask(client, at(MORE[name], name=name))


def test_straight_from_the_server_with_await(server: ShapeServer) -> None:
    async def main(file: NodeFile, shapes: dict[str, Shape]) -> None:
        async with AsyncNodeClient(file) as client:
            for name, shape in shapes.items():
                await ask_async(client, at(shape, name=name))

    asyncio.run(main(straight(server), TABLE))
    with ShapeServer(MORE) as more:
        asyncio.run(main(straight(more), MORE))


@EACH
def test_through_a_node(node: Headless, shape: Shape) -> None:
    ask(node.client, shape)
