"""Dialects found out without generating anything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from connections.servers import Server
from faults import Call, Faults

from bago_jupyter.backends.probing import PATHS
from bago_jupyter.backends.target import Target
from bago_jupyter.connections.listing import KeyRefused
from bago_jupyter.connections.speaking import dialects
from bago_jupyter.errors import UpstreamFailed


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


@pytest.mark.parametrize(
    ("status", "body", "spoken"),
    [
        (400, b"{}", True),
        (422, b"{}", True),
        (500, b"{}", True),
        (404, b'{"detail":"Not Found"}', False),
        (404, b'{"error":{"message":"The model `` does not exist"}}', True),
        (405, b"{}", False),
        (501, b"{}", False),
    ],
)
def test_each_status(status: int, body: bytes, spoken: bool) -> None:
    async def main() -> None:
        async with Faults(lambda call: call.json(body, status)) as faults:
            target = Target(faults.url)
            assert await dialects(target) == (set(PATHS) if spoken else set())
            assert {call.body for call in faults.calls} == {b"{}"}
            target.pool.close()

    run(main())


def test_only_what_is_asked() -> None:
    async def main() -> None:
        server = Server("m", speaks=("chat/completions", "messages"))
        async with Faults(server) as faults:
            target = Target(faults.url)
            assert await dialects(target) == {"chat", "messages"}
            before = len(faults.calls)
            assert await dialects(target, only=["messages"]) == {"messages"}
            assert len(faults.calls) == before + 1
            assert not server.generated
            target.pool.close()

    run(main())


def test_a_key_that_is_refused_and_a_server_that_hangs() -> None:
    async def hang(call: Call) -> None:
        await call.gone.wait()

    async def main() -> None:
        async with Faults(Server("m", key="right")) as faults:
            target = Target(faults.url)
            with pytest.raises(KeyRefused, match="wants a key"):
                await dialects(target)
            target.pool.close()
        async with Faults(hang) as faults:
            target = Target(faults.url)
            with pytest.raises(UpstreamFailed, match=r"within 0\.2 s"):
                await dialects(target, 0.2)
            target.pool.close()

    run(main())
