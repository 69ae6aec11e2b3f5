"""The tasks that a connection offers are those that its server was found to speak."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from connections.house import house
from connections.servers import Server
from faults import Faults

from bago_jupyter.api.catalogue import list_models
from bago_jupyter.client.answers import pick_anywhere
from bago_jupyter.errors import ModelNotFound


@pytest.mark.parametrize(
    ("speaks", "tasks"),
    [
        (("chat/completions",), ["generate"]),
        (("embeddings",), ["embed"]),
        (("rerank", "embeddings"), ["embed", "rerank"]),
        (("messages",), ["generate"]),
    ],
)
def test_tasks_follow_what_is_spoken(tmp_path: Path, speaks: tuple[str, ...], tasks: list[str]) -> None:
    async def main() -> None:
        async with Faults(Server("m", speaks=speaks)) as faults, house(tmp_path) as here:
            await here.add(faults.url)
            listed = list_models(here.dispatcher.table, since=7)
            (entry,) = listed["data"]
            assert entry["bago"]["nodes"][0]["tasks"] == tasks
            assert entry["created"] == 7, "it does not say"
            if "generate" in tasks:
                assert pick_anywhere(listed) == "m"
            else:
                with pytest.raises(ModelNotFound):
                    pick_anywhere(listed)

    asyncio.run(asyncio.wait_for(main(), 60))
