"""A server at a URL: what a look at it takes over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from connections.servers import Server
from faults import Call, Faults

from bago_jupyter.connections.connection import Connection
from bago_jupyter.connections.plain import PlainWay
from bago_jupyter.errors import UpstreamFailed


class Hanging(Server):
    """It never answers under one of the paths at which it is asked what it speaks."""

    hangs = True

    async def __call__(self, call: Call) -> None:
        if self.hangs and b" /v1/rerank " in call.head:
            await call.gone.wait()
        else:
            await super().__call__(call)


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def listed(way: PlainWay) -> list[str]:
    return [offer.model for offer in way.offers()]


def test_models_change_although_a_probe_hangs() -> None:
    async def main() -> None:
        server = Hanging("old")
        async with Faults(server) as faults:
            way = PlainWay(Connection(name="gpu", url=faults.url, native=["chat"]), None)
            server.models = ["new"]
            await way.look(0.2)
            assert listed(way) == ["new"] and way.native == {"chat"}
            server.hangs, server.speaks = False, ("chat/completions", "rerank")
            await way.look(30)
            assert way.native == {"chat", "rerank"}  # it is asked again until it tells
            before = len(faults.calls)
            await way.look(30)
            assert len(faults.calls) == before + 1
            await way.close()

    run(main())


def test_nothing_is_offered_before_it_is_known_what_it_speaks() -> None:
    async def main() -> None:
        async with Faults(Hanging("m")) as faults:
            way = PlainWay(Connection(name="gpu", url=faults.url), None)
            with pytest.raises(UpstreamFailed, match="rerank"):
                await way.look(0.2)
            assert not listed(way)
            await way.close()

    run(main())


def test_a_type_that_speaks_the_same_everywhere_is_not_probed() -> None:
    async def main() -> None:
        server = Server("old", speaks=())

        async def script(call: Call) -> None:
            call.head = call.head.replace(b"?limit=1000", b"")
            await server(call)

        async with Faults(script) as faults:
            way = PlainWay(Connection(name="claude", url=faults.url, type="anthropic"), None)
            await way.look(30)
            server.models = ["new"]
            await way.look(30)
            assert listed(way) == ["new"]
            assert {call.head.split()[0] for call in faults.calls} == {b"GET"}
            await way.close()

    run(main())
