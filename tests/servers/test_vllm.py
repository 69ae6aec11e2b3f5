"""A real vLLM as a connection: its slots are measured, and its death and return are noticed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest
from connections.house import House, house

from bago_jupyter.backends import Request
from bago_jupyter.connections.connected import Connected
from bago_jupyter.errors import BagoError
from bago_jupyter.router import Shape

from . import vllm
from .environments import on_demand
from .running import end_all, free_port

pytestmark = [on_demand, pytest.mark.timeout(1800)]


async def ask(here: House, tokens: int) -> int:
    here.asked += 1
    body = {"model": "tiny", "max_tokens": tokens, "ignore_eos": True, "stream": True}
    body["messages"] = [{"role": "user", "content": "Hi"}]
    request = Request(id=f"r{here.asked}", path=b"/v1/chat/completions", body=json.dumps(body).encode())
    request.model, request.stream = "tiny", True
    request.headers = [(b"content-type", b"application/json")]
    answer = await here.dispatcher.open(request, Shape(model="tiny", stream=True))
    await answer.read_all(1 << 24)
    return answer.status


async def reaches(entry: Connected, state: str, seconds: float) -> float:
    """The seconds until ``entry`` is in ``state``."""
    begin = time.monotonic()
    async with asyncio.timeout(seconds):
        while entry.state.state != state:
            await asyncio.sleep(0.05)
    return time.monotonic() - begin


def test_slots_are_measured_and_death_and_return_noticed(tmp_path: Path) -> None:
    port = free_port()

    async def main() -> None:
        async with house(tmp_path) as here:
            here.dispatcher.queue.bound = 1000
            with vllm.server(tmp_path, port) as child:
                entry = await here.add(f"http://127.0.0.1:{port}/v1")
                (offer,) = here.dispatcher.table.offers
                assert (offer.context_length, offer.tasks) == (1024, {"generate"})
                assert entry.side_by_side == (64, "guessed")
                for _ in range(20):
                    outcomes = await asyncio.gather(*(ask(here, 600) for _ in range(24)))
                    assert set(outcomes) == {200}, outcomes
                    if entry.side_by_side == (vllm.SLOTS, "measured"):
                        break
                assert entry.side_by_side == (vllm.SLOTS, "measured")
                end_all(child, signal.SIGKILL)
                with pytest.raises(BagoError):
                    await ask(here, 5)
                assert await reaches(entry, "warming", 5) < 5
            with vllm.server(tmp_path, port):
                assert await reaches(entry, "healthy", 10) < 10
                assert await ask(here, 5) == 200

    asyncio.run(main())


def test_an_engine_that_dies_does_not_stay_healthy(tmp_path: Path) -> None:
    port = free_port()

    async def main() -> None:
        async with house(tmp_path) as here:
            with vllm.server(tmp_path, port) as child:
                entry = await here.add(f"http://127.0.0.1:{port}/v1")
                await reaches(entry, "healthy", 10)
                for engine in engines(child.pid):
                    os.kill(engine, signal.SIGKILL)
                begin = time.monotonic()
                while entry.state.state == "healthy":
                    assert time.monotonic() - begin < 10
                    await asyncio.gather(ask(here, 5), return_exceptions=True)

    asyncio.run(main())


def engines(server: int) -> list[int]:
    """The processes of a vLLM that do its work."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ancestor = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            name = (folder / "comm").read_text()
        except OSError:
            continue
        if ancestor == server and "Engine" in name:
            found.append(int(folder.name))
    return found
