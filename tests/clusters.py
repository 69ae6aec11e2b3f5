"""A backend over a cluster whose manager checks signatures, and a dispatcher over that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from faults import Call
from manager import ACCESS_KEY, SECRET_KEY, Manager, ModelService

from bago_jupyter.backends import Answer, Dispatcher, Request
from bago_jupyter.backends.cluster import ClusterBackend
from bago_jupyter.events import Bus
from bago_jupyter.router import Shape
from bago_jupyter.trust.secret import Secret


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 120))


def says(text: str) -> Callable[[Call], Any]:
    return lambda call: call.json(
        b'{"choices":[{"message":{"content":"%s"}}],"usage":{"prompt_tokens":7,"completion_tokens":5}}'
        % text.encode()
    )


def answers(status: int) -> Callable[[Call], Any]:
    return lambda call: call.json(b'{"error":{"message":"no"}}', status)


async def dead(call: Call) -> None:
    call.drop()


async def frozen(call: Call) -> None:
    await call.gone.wait()


class Cluster:
    """A manager with services, the backend that is tested, and a dispatcher over it and ``others``."""

    def __init__(self, *services: ModelService, prefix: str = "", **options: Any):
        self.manager = Manager(*services, prefix=prefix)
        self.options = options
        self.dispatcher = Dispatcher(Bus(), policy="priority")
        self._count = 0

    async def __aenter__(self) -> Cluster:
        await self.manager.__aenter__()
        fields: dict[str, Any] = {"access_key": ACCESS_KEY, "secret_key": Secret(SECRET_KEY)} | self.options
        self.backend = ClusterBackend("cluster", self.manager.url, **fields)
        self.dispatcher.add(self.backend)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.close()
        await self.manager.__aexit__()

    async def refresh(self) -> None:
        try:
            await self.backend.refresh()
        finally:
            self.dispatcher.refresh()

    async def open(self, model: str = "m", **fields: Any) -> Answer:
        self._count += 1
        stream = fields.get("stream", False)
        dialect = fields.get("dialect", "chat")
        defaults = {
            "path": b"/v1/chat/completions",
            "body": json.dumps({"model": model, "messages": []}).encode(),
            "model": model,
            "header_timeout": 30.0,
        }
        request = Request(id=f"r{self._count}", **(defaults | fields))  # type: ignore[arg-type]
        return await self.dispatcher.open(request, Shape(model=model, stream=stream, dialect=dialect))

    async def ask(self, model: str = "m", **fields: Any) -> tuple[int, bytes]:
        answer = await self.open(model, **fields)
        return answer.status, await answer.read_all()

    @property
    def last(self) -> Any:
        return self.dispatcher.records.latest()[0]

    @property
    def in_flight(self) -> int:
        return sum(service.in_flight for service in self.backend._services.values())


def bearers(service: ModelService) -> list[str]:
    return [(given or "").removeprefix("Bearer ") for given in service.authorizations]
