"""The way of requests under everything at once: good ones, cancelled ones, and backends that fail anyhow.

A few seconds in the suite, ten minutes with ``BAGO_LONG=1`` (``make test-long``).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import psutil
import pytest
from faults import Call, Faults

from bago_jupyter.backends import HttpBackend
from bago_jupyter.core import Node
from bago_jupyter.loops import loop_factory
from bago_jupyter.settings import Settings

LONG = bool(os.environ.get("BAGO_LONG"))
SECONDS = 300.0 if LONG else 4.0
CALLERS = 24
GROWTH = 40 << 20
"""Bytes by which the memory of a long run may grow: the ring of records fills in its beginning."""
HEALTH = 1.0
"""Seconds within which ``/health`` answers all the while."""
SEED = 20261127


class Model:
    """Answers with the number that it was asked for, and fails in a share of the cases."""

    def __init__(self, seed: int, bad: float):
        self._random = random.Random(seed)
        self._bad = bad

    async def __call__(self, call: Call) -> None:
        asked = json.loads(call.body)
        number = asked["messages"][0]["content"].encode()
        dice = self._random.random()
        if dice < self._bad:
            await self._fail(call, dice / self._bad, asked.get("stream", False))
        elif asked.get("stream"):
            await call.sse_head()
            for part in (b"data: ", number, b"\n\n", b"data: [DONE]\n\n"):
                await call.chunk(part)
                await asyncio.sleep(self._random.choice((0, 0, 0.002)))
            await call.raw(b"0\r\n\r\n")
        else:
            await asyncio.sleep(self._random.choice((0, 0, 0.005)))
            await call.json(b'{"number":%b,"usage":{"prompt_tokens":1,"completion_tokens":9}}' % number)

    async def _fail(self, call: Call, how: float, stream: bool) -> None:
        if how < 0.3:
            await call.json(b'{"error":{"message":"busy"}}', 503)
        elif how < 0.5:
            call.drop()
        elif how < 0.7:
            await call.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")
            call.drop()
        elif how < 0.9 and stream:
            await call.sse_head()
            await call.chunk(b"data: half")
            call.drop()
        else:
            await call.raw(b"HTTP/1.1 2\0")
            call.drop()


async def caller(port: int, seed: int, end: float, seen: dict[str, int]) -> None:
    """One client with a connection that it keeps where it can, and leaves in the middle now and then."""
    dice = random.Random(seed)
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while time.monotonic() < end:
        if streams is None:
            streams = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = streams
        number, stream = dice.randrange(10**9), dice.random() < 0.4
        ask = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": str(number)}]}
        body = json.dumps(ask).encode()
        if dice.random() < 0.05:
            body = body[: dice.randrange(len(body))]
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-bago-caller: c%d\r\n" % (seed % 3)
        writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        if dice.random() < 0.1:  # it goes away
            await asyncio.sleep(dice.choice((0, 0.001, 0.004)))
            writer.transport.abort()
            streams = None
            seen["left"] += 1
            continue
        try:
            status, answer = await asyncio.wait_for(read(reader), 30)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise AssertionError("the node cut a connection without an answer") from None
        kind = {200: "ok", 400: "refused"}.get(status, "failed")
        if kind == "ok":
            said = f"data: {number}\n\n" if stream else f'"number":{number}'
            broken = stream and '"error"' in answer
            assert said in answer or broken, (number, answer)
            kind = "broken" if broken else kind
        seen[kind] += 1
    if streams is not None:
        streams[1].close()


async def read(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Status and body of one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if b"content-length: " in head:
        return status, (await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))).decode()
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, b"".join(parts).decode()


async def health(port: int, end: float) -> float:
    """The longest that ``/health`` took."""
    longest = 0.0
    while time.monotonic() < end:
        begin = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        longest = max(longest, time.monotonic() - begin)
        await asyncio.sleep(0.2)
    return longest


async def settled(node: Node) -> None:
    """Wait until nothing is under way."""
    async with asyncio.timeout(30):
        while node.dispatcher.books.flying or len(node.dispatcher.queue):
            await asyncio.sleep(0.01)


async def soak(home: Path, seconds: float) -> None:
    seen = dict.fromkeys(("ok", "broken", "failed", "refused", "left"), 0)
    process = psutil.Process()
    async with AsyncExitStack() as stack:
        models = [Model(SEED + number, bad) for number, bad in enumerate((0.05, 0.2, 0.0))]
        servers = [await stack.enter_async_context(Faults(model)) for model in models]
        backends = [
            HttpBackend(f"b{number}", server.url, ["m"], slots=6) for number, server in enumerate(servers)
        ]
        node = Node(Settings.load({"home": home, "port": 0, "max_queue": 16}, {}), backends=backends)
        await node.start()
        stack.push_async_callback(node.stop)
        begin, memory = time.monotonic(), 0
        end = begin + seconds
        tasks = [asyncio.create_task(caller(node.file.port, SEED + n, end, seen)) for n in range(CALLERS)]
        watch = asyncio.create_task(health(node.file.port, end))
        while time.monotonic() < end and not any(task.done() for task in tasks):
            for server in servers:
                del server.calls[:-1]  # else the test itself grows
            if not memory and time.monotonic() - begin > seconds / 10:
                gc.collect()
                memory = process.memory_info().rss
            await asyncio.sleep(0.1)
        await asyncio.gather(*tasks)
        longest = await watch
        await settled(node)
        dispatcher, counts = node.dispatcher, node.dispatcher.counts
        assert counts.in_flight == 0 and counts.total == counts.ok + counts.failed + counts.cancelled
        assert all(load.in_flight == load.work == 0 for load in dispatcher.loads.values())
        assert not dispatcher.queue._open and not dispatcher.queue._flying
        assert all(told.replayed for told in dispatcher.records.latest(1000) if told.candidates)
        assert "open" not in {told.outcome for told in dispatcher.records.latest(1000)}
        assert seen["ok"] > 3 * seen["failed"] and seen["ok"] > 30, seen
        assert longest < HEALTH
        gc.collect()
        assert process.memory_info().rss - memory < GROWTH


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])  # of a thread or process, and of a kernel
def test_under_everything_at_once_nothing_is_lost_or_left(
    tmp_path: Path, loop: Literal["uvloop", "asyncio"]
) -> None:
    def run(home: str, seconds: float) -> None:
        with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
            runner.run(asyncio.wait_for(soak(tmp_path / home, seconds), seconds + 120))

    run("first", 0.5)  # what is loaded once is loaded
    before = psutil.Process().num_fds()
    run("second", SECONDS)
    assert psutil.Process().num_fds() <= before
