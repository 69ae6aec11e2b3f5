"""The way of requests under everything at once: good ones, cancelled ones, and backends that fail anyhow.

A few seconds in the suite, ten minutes with ``BAGO_LONG=1`` (``make test-long``).
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import psutil
import pytest
from faults import Faults
from soaking import Model, caller

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
