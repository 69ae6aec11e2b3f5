"""A real LiteLLM proxy as a connection, before a server of ours and one that is not there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from clusters import says
from connections.house import house, until
from faults import Faults

from bago_jupyter.connections.connections import TrialFailed

from . import litellm
from .environments import on_demand
from .running import free_port

pytestmark = [on_demand, pytest.mark.timeout(900)]


def test_it_is_added_with_its_key_and_asked(tmp_path: Path) -> None:
    port = free_port()

    async def main() -> None:
        async with Faults(says("hi")) as upstream, house(tmp_path) as here:
            proxy = litellm.server(tmp_path, port, upstream.url)
            await asyncio.to_thread(proxy.__enter__)
            try:
                with pytest.raises(TrialFailed, match=r"gpu is not added: (HTTP answers|key accepted): no"):
                    await here.add(f"http://127.0.0.1:{port}/v1")
                entry = await here.add(f"http://127.0.0.1:{port}/v1", key=litellm.KEY)
                assert sorted(offer.model for offer in here.dispatcher.table.offers) == ["chats", "gone"]
                assert {"chat", "embeddings", "messages"} <= set(entry.way.native or ())
                assert all(call.head.startswith(b"GET ") for call in upstream.calls)  # none generates
                assert b"hi" in (await here.ask("chats"))["body"]
                load = here.dispatcher.loads["openai:gpu", "chats"]
                assert (load.ok, load.failed) == (1, 0)
                await asyncio.gather(*(here.ask("gone") for _ in range(2)), return_exceptions=True)
                assert b"hi" in (await here.ask("chats"))["body"]
                await until(lambda: entry.state.state == "healthy")
            finally:
                await asyncio.to_thread(proxy.__exit__, None, None, None)

    asyncio.run(main())
