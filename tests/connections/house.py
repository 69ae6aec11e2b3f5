"""A node's connections with a dispatcher over them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bago_jupyter.backends import Dispatcher, Request
from bago_jupyter.connections import Connections
from bago_jupyter.connections.connection import Connection
from bago_jupyter.connections.keychain import Keychain
from bago_jupyter.events import Bus
from bago_jupyter.router import Shape
from bago_jupyter.state import Home
from bago_jupyter.trust.secret import Secret


class NoKeychain(Keychain):
    async def works(self) -> bool:
        return False


class House:
    """A dispatcher and its connections."""

    def __init__(self, root: Path):
        self.root = root
        self.dispatcher = Dispatcher(Bus())
        self.changes = 0
        self.asked = 0
        self.all = Connections(
            Home(root),
            self.dispatcher,
            taken=lambda: ["Here", "peer"],
            changed=self._changed,
            keychain=NoKeychain(),
        )

    def _changed(self) -> None:
        self.changes += 1
        self.dispatcher.refresh()

    async def add(self, url: str, name: str = "gpu", *, key: str | None = None, **more: Any) -> Any:
        force = more.pop("force", False)
        secret = Secret(key) if key else None
        return await self.all.add(Connection(name=name, url=url, **more), secret, force=force)

    async def ask(self, model: str, **shape: Any) -> dict[str, Any]:
        self.asked += 1
        body = json.dumps({"model": model, "messages": []}).encode()
        request = Request(id=f"r{self.asked}", path=b"/v1/chat/completions", body=body)
        request.model = model
        request.stream = shape.get("stream", False)
        answer = await self.dispatcher.open(request, Shape(model=model, **shape))
        parts = b""
        while part := await answer.read():
            parts += part
        return {"status": answer.status, "node": answer.node, "body": parts}


@asynccontextmanager
async def house(root: Path) -> AsyncIterator[House]:
    made = House(root)
    await made.all.start()
    try:
        yield made
    finally:
        await made.all.stop()
        await made.dispatcher.close()


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)
