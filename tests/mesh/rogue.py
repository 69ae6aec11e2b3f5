"""A paired node that says whatever a test has it say, over real TLS; and a real node that hears it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from bago_jupyter.identity import Identity
from bago_jupyter.state import Home
from bago_jupyter.trust import certificate
from bago_jupyter.trust.peers import Peers
from bago_jupyter.trust.secret import Secret
from bago_jupyter.trust.tls import client_context, server_context

Writer = asyncio.StreamWriter
Script = Callable[["Ask", Writer], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Ask:
    """A request of the node."""

    def __init__(self, head: bytes, body: bytes):
        self.path = head.split(b" ", 2)[1].decode()
        self.body = body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def answer(writer: Writer, body: bytes, status: int = 200, kind: str = "application/json") -> None:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    writer.write(head + body)
    await writer.drain()


class Rogue:
    """``async with`` it, it listens. ``scripts``: what it does at a path; the longest that fits counts."""

    def __init__(self, home: Path):
        home.mkdir(mode=0o700)
        self.identity = Identity.open(Home(home))
        self.ours, self.theirs = Secret.mint(), Secret.mint()
        """The token that it presents, and the one that the node presents to it."""
        self.port = 0
        self.asked: dict[str, int] = {}
        self.scripts: dict[str, Script] = {"/mesh/v1/hello": self.greet, "/mesh/v1/events": self.tell}
        self.name = "rogue"
        self.entries: list[dict[str, Any]] = [entry("m")]
        self.client: ssl.SSLContext
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[Writer] = set()

    def pair(self, node: Home, *, control: bool = True) -> None:
        """Make both know each other, before the node starts. Its home has an identity from now on."""
        other = Identity.open(node)
        peers = Peers(node)
        peers.admit(
            der=certificate.own_certificate(self.identity),
            name=self.name,
            addresses=[f"127.0.0.1:{self.port}"],
            port=self.port,
            via="key",
            token=self.theirs,
            expects=self.ours,
        )
        peers.set(self.identity.fingerprint, allow_control=control)
        pem = certificate.pem(certificate.own_certificate(other))
        self.client = client_context(self.identity, other.fingerprint, pem)

    async def __aenter__(self) -> Rogue:
        tls = server_context(self.identity, [])
        tls.verify_mode = ssl.CERT_NONE
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what it says by default

    def hello(self, **more: Any) -> dict[str, Any]:
        said = {"fingerprint": self.identity.fingerprint, "name": self.name, "version": "1", "boot": "b"}
        return {**said, "port": self.port, "addresses": [], **more}

    def news(self, **more: Any) -> bytes:
        return json.dumps({"hello": self.hello(**more), "catalogue": self.entries}).encode()

    async def greet(self, ask: Ask, writer: Writer) -> None:
        await answer(writer, json.dumps(self.hello()).encode())

    async def tell(self, ask: Ask, writer: Writer) -> None:
        writer.write(OK + chunk(self.news() + b"\n"))
        while True:
            await asyncio.sleep(1)
            writer.write(chunk(b"\n"))
            await writer.drain()

    # -- as a client of the node

    def hang_up(self) -> None:
        """Cut every connection that the node has to it."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def ask(self, port: int, method: str, path: str, body: bytes = b"", *, read: float = 5.0) -> bytes:
        """What the node answers within ``read`` seconds, head and all."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self.client)
        try:
            head = f"{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n"
            head += f"authorization: Bearer {self.ours.reveal()}\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            said = b""
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(read):
                    while more := await reader.read(65536):
                        said += more
            return said
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
                length = int(lines[0].split(b":")[1]) if lines else 0
                ask = Ask(head, await reader.readexactly(length))
                self.asked[ask.path] = self.asked.get(ask.path, 0) + 1
                fits = [path for path in self.scripts if ask.path.startswith(path)]
                if fits:
                    await self.scripts[max(fits, key=len)](ask, writer)
                else:
                    await answer(writer, b"{}", 404)
        except (asyncio.IncompleteReadError, OSError, asyncio.LimitOverrunError):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.transport.abort()


def entry(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "tasks": ["generate"], "state": "ready", **more}


class Served:
    """A node in a process of its own, and what a test asks of it."""

    def __init__(self, home: Home, process: asyncio.subprocess.Process, port: int):
        self.home, self.process, self.port = home, process, port
        self.stats = psutil.Process(process.pid)
        file = home.read_node()
        assert file is not None
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {file.admin_token}"},
            timeout=60,
            trust_env=False,
        )

    async def get(self, path: str) -> Any:
        response = await self.http.get(f"/api/v1/{path}")
        response.raise_for_status()
        return response.json()

    async def peer(self) -> dict[str, Any]:
        """The one that it is paired with."""
        return dict((await self.get("nodes"))[0])

    async def health(self) -> float:
        """Seconds that ``/health`` takes, on a connection of its own."""
        begin = time.monotonic()
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            writer.close()
        return time.monotonic() - begin

    def log(self) -> str:
        return self.home.log.read_text() if self.home.log.exists() else ""


@contextlib.asynccontextmanager
async def served(home: Home, **settings: Any) -> AsyncIterator[Served]:
    """Start a node on ``home``; it ends with the block."""
    values = {"port": 0, "discovery": "false", "name": "victim", **settings}
    words = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BAGO_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bago_jupyter", "serve", "--until-eof", *words),
        env={**environ, "BAGO_HOME": str(home.root)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        node = Served(home, process, json.loads(line)["port"])
        try:
            yield node
        finally:
            await node.http.aclose()
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def until(condition: Callable[[], Awaitable[Any]], patience: float = 60.0) -> Any:
    """Wait until ``condition`` gives something true, and return that."""
    deadline = time.monotonic() + patience
    while True:
        value = await condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {patience} s"
        await asyncio.sleep(0.05)
