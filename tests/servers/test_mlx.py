"""A real mlx_lm.server as a connection: it lists nothing, chats, dies, and comes back."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from connections.house import House, house, until

from bago_jupyter.backends import Request
from bago_jupyter.connections.connections import TrialFailed
from bago_jupyter.errors import BagoError
from bago_jupyter.router import Shape

from . import mlx
from .running import end_all, free_port

MODEL = "default_model"
"""What it calls the model that it was started with."""


async def ask(here: House, path: str, dialect: Any, *, stream: bool = False) -> bytes:
    body = {
        "model": MODEL,
        "max_tokens": 5,
        "stream": stream,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    request = Request(id=path, path=path.encode(), body=json.dumps(body).encode(), model=MODEL)
    request.dialect, request.stream = dialect, stream
    answer = await here.dispatcher.open(request, Shape(model=MODEL, dialect=dialect, stream=stream))
    assert answer.status == 200
    return await answer.read_all()


def test_it_is_added_asked_and_waited_for(tmp_path: Path) -> None:
    port = free_port()

    async def main() -> None:
        async with house(tmp_path) as here:
            with mlx.server(tmp_path, port) as child:
                with pytest.raises(TrialFailed, match=r"models listed: no\..*Name its models"):
                    await here.add(f"http://127.0.0.1:{port}/v1")
                entry = await here.add(f"http://127.0.0.1:{port}/v1", models=[MODEL])
                (offer,) = here.dispatcher.table.offers
                assert entry.way.native == {"chat", "completions"} and offer.tasks == {"generate"}
                whole = json.loads(await ask(here, "/v1/chat/completions", "chat"))
                assert whole["usage"]["completion_tokens"] == 5
                stream = await ask(here, "/v1/chat/completions", "chat", stream=True)
                assert stream.rstrip().endswith(b"data: [DONE]")
                translated = json.loads(await ask(here, "/v1/messages", "messages"))
                assert translated["type"] == "message" and translated["content"]
                await entry.probe()
                assert entry.state.state == "healthy"
                end_all(child, signal.SIGKILL)
                with pytest.raises(BagoError):
                    await ask(here, "/v1/chat/completions", "chat")
                await until(lambda: entry.state.state == "warming")
            with mlx.server(tmp_path, port):
                await until(lambda: entry.state.state == "healthy")
                assert await ask(here, "/v1/chat/completions", "chat")

    asyncio.run(asyncio.wait_for(main(), 280))
