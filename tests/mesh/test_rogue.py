"""A paired node that says what no node says: it is cleaned, bounded or refused, and the rest goes on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mesh.rogue import OK, Ask, Rogue, Script, Served, Writer, answer, chunk, entry, served, until
from mesh.strange import ESCAPE, HELLOS, NEWS
from webserver import WebServer

from bago_jupyter.client import AsyncNodeClient
from bago_jupyter.errors import UpstreamFailed
from bago_jupyter.state import Home
from bago_jupyter.trust.connection_key import ConnectionKey

FOREIGN = ("\x1b", "\x07", "\u202e", "\u2028", "\x9b", "\x7f")
HEALTH = 1.0
"""Seconds within which ``/health`` answers all the while."""


@asynccontextmanager
async def both(
    tmp_path: Path, scripts: dict[str, Script] | None = None
) -> AsyncIterator[tuple[Rogue, Served]]:
    home = Home(tmp_path / "node")
    async with Rogue(tmp_path / "rogue") as rogue:
        rogue.scripts |= scripts or {}
        rogue.pair(home)
        async with served(home) as node:
            yield rogue, node


def run(work: Awaitable[None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(170):
            await work

    asyncio.run(main())


async def online(node: Served) -> Any:
    async def look() -> Any:
        peer = await node.peer()
        return peer if peer["state"] == "online" else None

    return await until(look)


async def slowest(node: Served, seconds: float) -> float:
    """The longest that ``/health`` took in so many seconds."""
    end, longest = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        longest = max(longest, await node.health())
        await asyncio.sleep(0.05)
    return longest


def test_a_flood_of_news(tmp_path: Path) -> None:
    """16,900 valid lines, each with another name: the last counts, and the file is written now and then."""
    home = tmp_path / "node"
    written: set[int] = set()

    async def main() -> None:
        over = asyncio.Event()

        async def flood(ask: Ask, writer: Writer) -> None:
            writer.write(OK)
            for first in range(0, 16_900, 100):
                lines = b"".join(
                    rogue.news(name=f"n{number}") + b"\n" for number in range(first, first + 100)
                )
                writer.write(chunk(lines))
                await writer.drain()
            over.set()
            while True:
                writer.write(chunk(b"\n"))
                await writer.drain()
                await asyncio.sleep(1)

        async with both(tmp_path, {"/mesh/v1/events": flood}) as (rogue, node):
            watch = asyncio.create_task(slowest(node, 8))
            while not watch.done():
                written.add((home / "peers.json").stat().st_ino)
                await asyncio.sleep(0.02)
            assert watch.result() < HEALTH

            async def last() -> bool:
                return bool((await node.peer())["name"] == "n16899")

            await until(last)
            assert over.is_set()

    run(main())
    assert len(written) < 12, "a file written for each line"
    assert b"n16899" in (home / "peers.json").read_bytes()  # at the latest when it stops


def test_what_it_says_is_cleaned_where_it_enters(tmp_path: Path) -> None:
    async def main() -> None:
        async with both(tmp_path) as (rogue, node):
            gpu = {"name": f"H{ESCAPE}100"}

            async def greet(ask: Ask, writer: Writer) -> None:
                said = rogue.hello(name=f"e{ESCAPE}ve", version=f"1{ESCAPE}", resources={"gpus": [gpu]})
                await answer(writer, json.dumps(said).encode())

            async def control(ask: Ask, writer: Writer) -> None:
                failure = {"message": f"no{ESCAPE}", "code": "x", "type": "y"}
                await answer(writer, json.dumps({"error": failure}).encode(), 409)

            async def relay(ask: Ask, writer: Writer) -> None:
                head = b'{"status":400,"headers":[["content-type","application/json"]]}\n'
                told = {"error": {"message": f"bad{ESCAPE}", "type": "t", "code": "c", "param": None}}
                writer.write(OK + chunk(b"\n" + head + json.dumps(told).encode()) + b"0\r\n\r\n")

            rogue.scripts |= {"/mesh/v1/hello": greet, "/mesh/v1/control": control, "/mesh/v1/relay": relay}
            rogue.entries = [
                entry("m", digest=f"sha256:{ESCAPE}", quantization=f"Q4{ESCAPE}"),
                entry(f"bad{ESCAPE}"),
                entry("big", digest="x" * 500, slots=10**30, context_length=10**30),
                entry("", quantization=""),
            ]
            peer = await online(node)
            peer = await until(lambda: told(node))
            assert [model["id"] for model in peer["models"]] == ["m", "big"]
            assert peer["models"][0]["quantization"].startswith("Q4")
            assert peer["models"][1]["context_length"] is None
            bye = json.dumps({"kind": "leaving", "reason": f"so{ESCAPE}"}).encode()
            assert b" 200 " in (await rogue.ask(node.port, "POST", "/mesh/v1/bye", bye)).splitlines()[0]
            said = [peer, await node.get(f"nodes/{peer['name']}"), (await node.http.get("/v1/models")).json()]
            await until(lambda: told(node))
            unload = f"/api/v1/nodes/{peer['name']}/models/unload"
            said.append((await node.http.post(unload, json={"model": "m"})).json())
            chat = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            refused = await node.http.post("/v1/chat/completions", json=chat)
            assert refused.status_code == 400 and refused.json()["error"]["message"].startswith("bad")
            unknown = await node.http.post("/v1/chat/completions", json={**chat, "model": f"m{ESCAPE}"})
            assert unknown.status_code == 404
            said += [refused.json(), unknown.json(), await node.get("decisions"), await node.get("topology")]
            text = json.dumps(said, ensure_ascii=False) + node.log()
            assert [sign for sign in FOREIGN if sign in text] == []

    run(main())


def broken(said: bytes, kind: str, length: int | None = None) -> Script:
    """Breaks off behind ``said``, or says that it is ``length`` bytes long and breaks off then."""

    async def script(ask: Ask, writer: Writer) -> None:
        size = f"content-length: {length}" if length else "transfer-encoding: chunked"
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{size}\r\n\r\n".encode())
        writer.write(said if length else chunk(said))
        await writer.drain()
        writer.close()

    return script


STEP = b'data: {"progress":{"stage":"downloading","done":1,"total":9}}\n'
JOBS = {
    "breaks off": (broken(STEP + b"\n", "text/event-stream"), "in the middle|closed"),
    "breaks off in an event": (broken(STEP + b'data: {"pro', "text/event-stream"), "in the middle|closed"),
    "without end": (broken(STEP + b"\ndata: " + b"x" * (2 << 20), "text/event-stream"), "too long"),
    "half an answer": (broken(b'{"id":"m"', "application/json", 99), "in the middle|closed"),
    "a huge answer": (broken(b"[" + b" " * (2 << 20) + b"]", "application/json", (2 << 20) + 2), "larger"),
}


@pytest.mark.parametrize("how", JOBS)
def test_a_job_of_a_peer_that_breaks_off_is_an_error(tmp_path: Path, how: str) -> None:
    """It said that no node answers at this one's own address."""
    script, said = JOBS[how]

    async def main() -> None:
        async with both(tmp_path, {"/mesh/v1/control": script}) as (_, node):
            peer = await online(node)
            file = node.home.read_node()
            assert file is not None
            async with AsyncNodeClient(file) as client:
                with pytest.raises(UpstreamFailed, match=said):
                    await client.pull("m", on=peer["name"])
            assert "Traceback" not in node.log()

    run(main())


async def told(node: Served) -> Any:
    peer = await node.peer()
    return peer if peer["models"] else None


@pytest.mark.parametrize("how", NEWS)
def test_strange_news(tmp_path: Path, how: str) -> None:
    """The node answers all the while, and hears the news again when they are sane."""

    async def main() -> None:
        async with both(tmp_path, {"/mesh/v1/events": NEWS[how]}) as (rogue, node):
            await online(node)
            before = node.stats.memory_info().rss
            assert await slowest(node, 3) < HEALTH
            assert node.stats.memory_info().rss - before < 64 << 20
            assert rogue.asked.get("/mesh/v1/events", 0) < 15, "it is asked without a pause"
            rogue.scripts["/mesh/v1/events"] = rogue.tell
            rogue.hang_up()
            await until(lambda: told(node))
            assert "Traceback" not in node.log()

    run(main())


@pytest.mark.parametrize("how", HELLOS)
def test_strange_hellos(tmp_path: Path, how: str) -> None:
    """It is away then, and nothing of it stays open."""

    async def main() -> None:
        async with both(tmp_path) as (rogue, node):
            await online(node)
            await until(lambda: told(node))
            rogue.scripts["/mesh/v1/hello"] = HELLOS[how]
            files: list[int] = []

            async def away() -> bool:
                files.append(node.stats.num_fds())
                assert await node.health() < HEALTH
                return bool((await node.peer())["state"] != "online")

            await until(away)
            assert max(files) - min(files) < 12, files
            assert "Traceback" not in node.log()

    run(main())


def test_a_refusal_on_a_terminal(tmp_path: Path) -> None:
    """``bago-jupyter connect`` once printed the escape sequence of the other node."""

    async def refuse(ask: Ask, writer: Writer) -> None:
        await answer(writer, json.dumps({"error": {"message": f"no{ESCAPE}\nbago: paired"}}).encode(), 403)

    async def main() -> None:
        async with both(tmp_path, {"/mesh/v1/pair": refuse}) as (rogue, node):
            address = [f"127.0.0.1:{rogue.port}"]
            key = ConnectionKey.make("eve", rogue.identity.fingerprint, address, time.time() + 600)
            cli = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bago_jupyter", "connect", "-"),
                env={**os.environ, "BAGO_HOME": str(node.home.root)},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            said = b"".join(await cli.communicate(str(key).encode())).decode()
            assert cli.returncode == 1 and said.startswith("bago: no") and said.count("\n") == 1, said
            assert [sign for sign in FOREIGN if sign in said] == []

    run(main())


def test_a_pull_of_what_listens_for_this_machine_alone(tmp_path: Path) -> None:
    """With control, over the mesh; the owner may."""
    asked: list[str] = []

    class Inner(WebServer):
        def get(self, request: Any) -> None:
            asked.append(request.path)
            request.send_error(404)

    async def main() -> None:
        with Inner() as inner:
            async with both(tmp_path) as (rogue, node):
                port = inner.address.rpartition(":")[2]
                for host in ("127.0.0.1", "localhost", "[::ffff:7f00:1]", "169.254.169.254"):
                    wanted = json.dumps({"source": f"http://{host}:{port}/m.gguf"}).encode()
                    said = await rogue.ask(node.port, "POST", "/mesh/v1/control/models/pull", wanted, read=20)
                    assert b"A peer cannot have this node fetch" in said, said
                for path in ("/etc/passwd", "file:///etc/passwd", "\x1b[31m"):
                    wanted = json.dumps({"source": path}).encode()
                    said = await rogue.ask(node.port, "POST", "/mesh/v1/control/models/pull", wanted)
                    assert b" 403 " in said.splitlines()[0]
                assert asked == []
                mine = {"source": f"{inner.address}/m.gguf"}
                assert "404" in (await node.http.post("/api/v1/models/pull", json=mine)).text
                assert asked == ["/m.gguf"]

    run(main())
