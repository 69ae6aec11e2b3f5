"""What of our own requests reaches the log of a notebook, and what of others still does."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from headless import Headless
from kernels import LOAD, Kernel
from shapes.server import ShapeServer
from shapes.table import TABLE

from bago_jupyter.client import AsyncNodeClient, NodeClient
from bago_jupyter.engines.download import download
from bago_jupyter.loops import LoopThread
from bago_jupyter.state import Home

LOGGED = re.compile("^(DEBUG|INFO):", re.M)
HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    made = Headless(tmp_path_factory.mktemp("logs") / "home", "logs")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ShapeServer]:
    with ShapeServer({"plain": TABLE["plain"]}) as running:
        yield running


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.name}: {record.getMessage()}" for record in caplog.records]


def test_our_clients_are_silent_below_warning(
    node: Headless, server: ShapeServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    file = node.client.node
    node.client.add_connection("up", type="openai", url=server.url)

    async def main() -> None:
        async with AsyncNodeClient(file) as client:
            await client.status()
            async with client.chat(HI, model="plain") as (_, pieces):
                assert [piece async for piece in pieces] == ["one ", "two"]
        await download(server.url + "/v1/models", tmp_path / "part", report=lambda _: None)

    with caplog.at_level(logging.DEBUG):
        with NodeClient(file) as client:
            client.status()
            with client.chat(HI, model="plain") as (_, pieces):
                assert "".join(pieces) == "one two"
        thread = LoopThread("asyncio")
        thread.run(main(), 60)
        thread.stop()
    assert not told(caplog)


def test_those_of_others_are_as_loud_as_ever(
    server: ShapeServer, caplog: pytest.LogCaptureFixture, node: Headless
) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(server.url + "/v1/models")

    with caplog.at_level(logging.DEBUG):
        with httpx.Client(trust_env=False) as client:
            client.get(server.url + "/v1/models")
        asyncio.run(main())
    names = [record.name for record in caplog.records]
    assert names.count("httpx") == 2
    assert {"asyncio", "httpcore.connection", "httpcore.http11"} <= set(names)


def test_what_is_a_warning_is_told(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("httpx").warning("odd")
    assert told(caplog) == ["httpx: odd"]


def test_a_notebook_with_a_root_logger_sees_its_own_requests_only(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "home")
    try:
        kernel.must(LOAD)
        kernel.must("import logging, httpx\nlogging.basicConfig(level=logging.DEBUG, force=True)")
        ran = kernel.must("%bago up --name quiet\n%bago status\n%bago models")
        assert LOGGED.search(ran.text) is None
        file = Home(kernel.home).read_node()
        assert file is not None
        ours = f"httpx.get('http://127.0.0.1:{file.port}/health', trust_env=False)"
        assert "HTTP Request: GET" in kernel.must(ours).text
    finally:
        kernel.close()
