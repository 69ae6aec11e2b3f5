"""A node under mixed load whose peer misbehaves in every way at once, over real TLS.

Twenty seconds in the suite, ten minutes with ``BAGO_LONG=1`` (``make test-long``).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from faults import Call, Faults
from mesh.rogue import Ask, Rogue, Served, Writer, chunk, entry, served, until
from mesh.strange import ESCAPE, HELLOS, NESTED, NEWS, OK, RELAYS
from soaking import Model, caller

from bago_jupyter.state import Home

LONG = bool(os.environ.get("BAGO_LONG"))
SECONDS = 600.0 if LONG else 20.0
SEED = 20261128
CALLERS = 8
VICTIMS = 4
"""Clients that ask for the rogue's own model."""
HEALTH = 1.0
"""Seconds within which ``/health`` answers all the while."""
RELAY = "/mesh/v1/relay/v1/chat/completions"
GROWTH = 48 << 20
"""Bytes by which memory may grow from the second quarter of the run to the last."""


class Upstream(Model):
    """The same behind a connection, which looks at it first."""

    async def __call__(self, call: Call) -> None:
        if call.head.startswith(b"GET /v1/models "):
            await call.json(b'{"data":[{"id":"m"}]}')
        elif call.head.startswith(b"GET "):
            await call.json(b"{}", 404)
        elif call.body == b"{}":
            await call.json(b'{"error":{"message":"messages is required"}}', 400)
        else:
            await super().__call__(call)


class Mood:
    """What the rogue does next, at random."""

    def __init__(self, rogue: Rogue, node: Served, end: float):
        self.rogue, self.node, self.end = rogue, node, end
        self.dice = random.Random(SEED)
        rogue.scripts |= {
            "/mesh/v1/hello": self.hello,
            "/mesh/v1/events": self.events,
            "/mesh/v1/relay": self.relay,
        }
        rogue.entries = [entry("rogue-model", slots=10**9), entry("m2", digest=ESCAPE)]

    async def _within(self, seconds: float, work: Awaitable[None]) -> None:
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(seconds):
                await work

    async def hello(self, ask: Ask, writer: Writer) -> None:
        if self.dice.random() < 0.1:
            await self._within(3, self.dice.choice(list(HELLOS.values()))(ask, writer))
            writer.transport.abort()
        else:
            await self.rogue.greet(ask, writer)

    async def events(self, ask: Ask, writer: Writer) -> None:
        how = self.dice.random()
        if how < 0.3:
            await self._within(2, self.dice.choice(list(NEWS.values()))(ask, writer))
        elif how < 0.6:
            await self._within(3, self._flood(writer))
        else:
            await self._within(self.dice.uniform(0.5, 4), self.rogue.tell(ask, writer))
        writer.transport.abort()

    async def _flood(self, writer: Writer) -> None:
        """Valid lines, each with another name, and now and then thousands of models."""
        writer.write(OK)
        while True:
            many = [entry(f"m{number}") for number in range(4000)] if self.dice.random() < 0.02 else []
            news = json.loads(self.rogue.news(name=f"n{self.dice.randrange(10**6)}"))
            news["catalogue"] += many
            writer.write(chunk(json.dumps(news).encode() + b"\n"))
            await writer.drain()
            await asyncio.sleep(0)

    async def relay(self, ask: Ask, writer: Writer) -> None:
        await self._within(6, self.dice.choice(list(RELAYS.values()))(ask, writer))
        writer.transport.abort()

    async def leave(self) -> None:
        """Say goodbye many times at once, now and then: more often, and nobody would ask it anything."""
        bye = b'{"kind":"leaving","reason":"\\u001b[2J"}'
        while time.monotonic() < self.end - 15:
            await asyncio.sleep(min(15, SECONDS / 3))
            for _ in range(20):
                with contextlib.suppress(OSError):
                    await self.rogue.ask(self.node.port, "POST", "/mesh/v1/bye", bye)

    async def pester(self) -> None:
        """Ask the node for what it should not give, and go away in the middle."""
        ask, port = self.rogue.ask, self.node.port
        bodies = (
            b"",
            NESTED,
            b"\xff\xfe",
            b'{"source":"http://127.0.0.1:9/m.gguf"}',
            b'{"model":"m","stream":1e999}',
        )
        good = json.dumps({"model": "m", "messages": [{"role": "user", "content": "1"}]}).encode()
        ways: list[Callable[[], Awaitable[bytes]]] = [
            lambda: ask(port, "POST", "/mesh/v1/bye", self.dice.choice(bodies)),
            lambda: ask(port, "GET", "/mesh/v1/events", read=self.dice.random()),
            lambda: ask(port, "POST", "/mesh/v1/relay/v1/chat/completions", self.dice.choice(bodies)),
            lambda: ask(port, "POST", "/mesh/v1/relay/v1/chat/completions", good, read=0.01),
            lambda: ask(port, "POST", "/mesh/v1/control/models/pull", self.dice.choice(bodies)),
            lambda: ask(port, "POST", "/mesh/v1/control/models/load", self.dice.choice(bodies), read=0.05),
            lambda: ask(port, "POST", "/mesh/v1/pair", self.dice.choice(bodies)),
            lambda: ask(port, "GET", "/mesh/v1/hello"),
        ]
        while time.monotonic() < self.end:
            with contextlib.suppress(OSError):
                await self.dice.choice(ways)()
            await asyncio.sleep(self.dice.choice((0, 0.01, 0.1)))


async def victim(port: int, seed: int, end: float, seen: dict[str, int]) -> None:
    """Asks for the rogue's model, and gives up after a few seconds."""
    dice = random.Random(seed)
    while time.monotonic() < end:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = {"model": "rogue-model", "stream": dice.random() < 0.5}
        text = json.dumps({**body, "messages": [{"role": "user", "content": "hi"}]}).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        writer.write(head + b"content-length: %d\r\n\r\n" % len(text) + text)
        try:
            async with asyncio.timeout(dice.uniform(0.05, 5)):
                status = (await reader.read()).partition(b" ")[2][:3].decode()
        except (TimeoutError, OSError):
            status = "left"
        seen[status] = seen.get(status, 0) + 1
        writer.transport.abort()
        await asyncio.sleep(0.02)


class Watch:
    """How long ``/health`` takes, and what the node's process holds."""

    def __init__(self, node: Served):
        self.node = node
        self.slowest = 0.0
        self.held: list[tuple[int, int, int]] = []
        """Bytes of memory, descriptors, threads; twice a second."""

    async def run(self, end: float) -> None:
        while time.monotonic() < end:
            self.slowest = max(self.slowest, await self.node.health())
            stats = self.node.stats
            self.held.append((stats.memory_info().rss, stats.num_fds(), stats.num_threads()))
            await asyncio.sleep(0.5)

    def grown(self) -> tuple[int, int, int]:
        """What the last quarter held more than the second, at most."""
        quarter = len(self.held) // 4
        first, last = self.held[quarter : 2 * quarter], self.held[-quarter:]
        memory, files, threads = (
            max(held[which] for held in last) - max(held[which] for held in first) for which in range(3)
        )
        return memory, files, threads


@pytest.mark.timeout(SECONDS + 300)
def test_a_peer_that_misbehaves_in_every_way_harms_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        home = Home(tmp_path / "node")
        seen = dict.fromkeys(("ok", "broken", "failed", "refused", "left"), 0)
        met: dict[str, int] = {}
        async with Faults(Upstream(SEED, 0.1)) as up, Rogue(tmp_path / "rogue") as rogue:
            rogue.pair(home)
            async with served(home, max_queue=16) as node:
                begin = {"name": "up", "url": up.url, "models": ["m"], "slots": 6, "force": True}
                (await node.http.post("/api/v1/connections", json=begin)).raise_for_status()
                end = time.monotonic() + SECONDS
                mood, watch = Mood(rogue, node, end), Watch(node)
                tasks = [asyncio.create_task(caller(node.port, SEED + n, end, seen)) for n in range(CALLERS)]
                tasks += [asyncio.create_task(victim(node.port, SEED + n, end, met)) for n in range(VICTIMS)]
                tasks += [asyncio.create_task(mood.pester()) for _ in range(3)]
                tasks.append(asyncio.create_task(mood.leave()))
                watching = asyncio.create_task(watch.run(end))
                while time.monotonic() < end and not any(task.done() for task in tasks[:-1]):
                    del up.calls[:-1]  # else the test itself grows
                    await asyncio.sleep(0.1)
                await asyncio.gather(*tasks, watching)
                assert watch.slowest < HEALTH, watch.slowest
                assert seen["ok"] > 3 * seen["failed"] and seen["ok"] > 30, seen
                assert rogue.asked["/mesh/v1/hello"] > SECONDS / 10 and sum(met.values()) > 10, (
                    rogue.asked,
                    met,
                )
                memory, files, threads = watch.grown()
                assert memory < GROWTH and files < 24 and threads < 6, (
                    watch.held[:: len(watch.held) // 12],
                    met,
                )
                await afterwards(rogue, node)
                assert "Traceback" not in node.log(), node.log()[-4000:]
                assert not any(sign in node.log() for sign in ("\x1b", "\u202e", "\u2028"))

    asyncio.run(main())


async def afterwards(rogue: Rogue, node: Served) -> None:
    """It comes to its senses: nothing is left of the requests, and its model is offered again."""
    rogue.scripts = {"/mesh/v1/hello": rogue.greet, "/mesh/v1/events": rogue.tell}
    rogue.hang_up()

    async def sane() -> bool:
        status, peer = await node.get("status"), await node.peer()
        offered = [model["id"] for model in peer["models"]]
        return bool(
            status["requests"]["in_flight"] == 0 and peer["name"] == "rogue" and "rogue-model" in offered
        )

    await until(sane, 120)
    assert await node.get("pulls") == []
