"""A real Backend.AI manager as a connection: its version, its lists, its limits and its end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from clusters import says
from connections.house import house, until
from faults import Call, Faults
from manager import ACCESS_KEY, OTHERS_KEY, SECRET_KEY, ModelService

from bago_jupyter.backends.pacing import Pacing
from bago_jupyter.connections.connections import TrialFailed

from . import backendai
from .environments import on_demand

pytestmark = [on_demand, pytest.mark.timeout(1800)]
TYPE = {"type": "backend_ai_cluster", "access_key": ACCESS_KEY}


def test_a_real_manager_from_adding_to_its_end(tmp_path: Path) -> None:
    service = ModelService("llama", ["m"], says("hi"), speaks=("chat/completions",))
    wanted: list[bytes] = []

    async def proxy(call: Call) -> None:
        wanted.append(call.head.split(b"\r\n")[0])
        await call.json(json.dumps({"token": service.token(len(wanted))}).encode())

    async def main() -> None:
        async with service.server, Faults(proxy) as tokens, house(tmp_path / "home") as here:
            folder = tmp_path / "cluster"
            folder.mkdir()
            made = backendai.cluster(folder, service.server.port, tokens.port)
            cluster = await asyncio.to_thread(made.__enter__)
            manager = cluster.manager()
            try:
                await asyncio.to_thread(manager.__enter__)
                with pytest.raises(TrialFailed, match="Signature mismatch"):
                    await here.add(cluster.url, "wrong", key="another", **TYPE)
                with pytest.raises(TrialFailed, match="Access key not found"):
                    await here.add(
                        cluster.url, "nobody", key=SECRET_KEY, **{**TYPE, "access_key": "AKIANOBODY"}
                    )
                entry = await here.add(cluster.url, "cluster", key=SECRET_KEY, domain="elsewhere", **TYPE)
                (offer,) = (
                    here.dispatcher.table.offers
                )  # not the other user's, and not the one without a route
                assert (offer.model, offer.tasks) == ("m", {"generate"})
                await until(lambda: entry.state.state == "healthy")
                assert b"hi" in (await here.ask("cluster/m"))["body"]
                assert len(wanted) == 1 and b"/v2/endpoints/aaaaaaaa-0000-0000-0000-000000000001" in wanted[0]
                pacing = entry.way._manager.pacing
                assert pacing.due > 0 and not entry.state.error

                cluster.say(f"update keypairs set rate_limit = 1 where access_key = '{ACCESS_KEY}'")
                pacing.due = 0.0
                await entry.probe()
                assert "429" in entry.state.error and pacing.barred > 0
                assert entry.state.state == "healthy" and b"hi" in (await here.ask("m"))["body"]

                await asyncio.to_thread(manager.__exit__, None, None, None)
                entry.way._manager.pacing = Pacing()
                await entry.probe()
                assert "cannot be asked" in entry.state.error
                assert entry.state.state == "healthy" and b"hi" in (await here.ask("m"))["body"]

                cluster.say(f"update keypairs set rate_limit = 30000 where access_key = '{ACCESS_KEY}'")
                manager = cluster.manager()
                await asyncio.to_thread(manager.__enter__)
                entry.way._manager.pacing = Pacing()
                await entry.probe()
                assert entry.state.error is None and OTHERS_KEY not in repr(entry.offered)
            finally:
                await asyncio.to_thread(manager.__exit__, None, None, None)
                await asyncio.to_thread(made.__exit__, None, None, None)

    asyncio.run(main())
