"""The dispatcher over backends that fail in every way before and after the first byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from faults import Call, Faults

from bago_jupyter.backends import Answer, Dispatcher, HttpBackend, Request
from bago_jupyter.errors import BagoError, ModelNotFound, Overloaded, Unavailable, Unsupported, UpstreamFailed
from bago_jupyter.events import Bus
from bago_jupyter.router import Shape

Script = Callable[[Call], Awaitable[None]]
SHAPE = Shape(model="m", prompt_tokens=10)
REQUEST = {"path": b"/v1/chat/completions", "body": b'{"model":"m"}', "header_timeout": 0.3}


async def good(call: Call) -> None:
    await call.json(b'{"usage":{"prompt_tokens":7,"completion_tokens":5}}')


async def dead(call: Call) -> None:
    call.drop()


async def frozen(call: Call) -> None:
    await call.gone.wait()


async def half(call: Call) -> None:
    await call.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
    call.drop()


async def silent_stream(call: Call) -> None:
    await call.sse_head()
    call.drop()


async def broken_stream(call: Call) -> None:
    await call.sse_head()
    await call.chunk(b"data: 1\n\n")
    call.drop()


def answers(status: int, extra: bytes = b"") -> Script:
    return lambda call: call.json(b'{"error":{"message":"no"}}', status, extra)


class Mesh:
    """A dispatcher over fault servers named a, b, c..., tried in that order under ``priority``."""

    def __init__(self, *scripts: Script):
        self.scripts = scripts
        self.dispatcher = Dispatcher(Bus(), policy="priority")
        self.servers: list[Faults] = []
        self._count = 0

    async def __aenter__(self) -> Mesh:
        self._stack = AsyncExitStack()
        for name, script in zip("abcdef", self.scripts, strict=False):
            server = await self._stack.enter_async_context(Faults(script))
            self.servers.append(server)
            self.dispatcher.add(HttpBackend(name, server.url, ["m"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.close()
        await self._stack.aclose()

    async def open(self, shape: Shape = SHAPE) -> Answer:
        self._count += 1
        return await self.dispatcher.open(Request(id=f"r{self._count}", **REQUEST), shape, "chat")  # type: ignore[arg-type]

    async def ask(self, shape: Shape = SHAPE) -> bytes:
        answer, parts = await self.open(shape), []
        while chunk := await answer.read():
            parts.append(chunk)
        return b"".join(parts)

    @property
    def last(self) -> Any:
        return next(reversed(self.dispatcher.decisions.values()))


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


@pytest.mark.parametrize(
    "bad",
    [dead, frozen, half, silent_stream, answers(500), answers(503), answers(429)],
    ids=lambda s: s.__name__,
)
def test_what_fails_before_the_first_byte_goes_to_the_next(bad: Script) -> None:
    async def main() -> None:
        async with Mesh(bad, good) as mesh:
            assert b"usage" in await mesh.ask()
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "b"]
            assert mesh.last.attempts[0].outcome not in ("ok", "open")
            assert (mesh.last.outcome, mesh.last.prompt_tokens, mesh.last.completion_tokens) == ("ok", 7, 5)
            assert (mesh.dispatcher.counts.ok, mesh.dispatcher.counts.in_flight) == (1, 0)
            assert all(load.in_flight == load.work == 0 for load in mesh.dispatcher.loads.values())

    run(main())


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_the_requests_own_fault_goes_nowhere_else(status: int) -> None:
    async def main() -> None:
        async with Mesh(answers(status), good) as mesh:
            answer = await mesh.open()
            assert answer.status == status
            assert b"no" in await answer.read()
            assert await answer.read() == b""
            assert not mesh.servers[1].calls
            assert mesh.dispatcher.breakers.of("openai:a", "m").failures == 0
            assert mesh.dispatcher.counts.failed == 1

    run(main())


def test_after_the_first_byte_the_error_is_the_readers() -> None:
    async def main() -> None:
        async with Mesh(broken_stream, good) as mesh:
            answer = await mesh.open(Shape(model="m", stream=True))
            assert await answer.read() == b"data: 1\n\n"
            with pytest.raises(UpstreamFailed, match="in the middle"):
                await answer.read()
            assert not mesh.servers[1].calls
            assert mesh.last.outcome.startswith("The backend closed")
            assert (mesh.dispatcher.counts.failed, mesh.dispatcher.counts.in_flight) == (1, 0)

    run(main())


def test_the_last_error_is_told_when_all_fail() -> None:
    async def main() -> None:
        async with Mesh(dead, dead) as mesh:
            with pytest.raises(UpstreamFailed, match="before it answered"):
                await mesh.ask()
            assert len(mesh.last.attempts) == 2
        async with Mesh(dead, answers(503)) as mesh:
            assert (await mesh.open()).status == 503

    run(main())


def test_a_backend_that_fails_at_once_is_soon_left_alone() -> None:
    async def main() -> None:
        async with Mesh(answers(503), good) as mesh:
            for _ in range(50):
                assert b"usage" in await mesh.ask()
            assert len(mesh.servers[0].calls) <= 5
            assert mesh.last.rejections[0].gate == "breaker"

    run(main())


def test_the_client_leaving_closes_the_backend_and_is_no_failure() -> None:
    async def main() -> None:
        async with Mesh(frozen) as mesh:
            task = asyncio.ensure_future(mesh.open())
            while not mesh.servers[0].calls:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(mesh.servers[0].calls[0].gone.wait(), 5)
            assert (mesh.last.outcome, mesh.dispatcher.counts.cancelled) == ("cancelled", 1)
            assert mesh.dispatcher.breakers.of("openai:a", "m").failures == 0
            assert mesh.dispatcher.counts.in_flight == 0

    run(main())


def test_nobody_can_answer() -> None:
    async def refused(mesh: Mesh, shape: Shape, kind: type[BagoError], said: str) -> None:
        with pytest.raises(kind, match=said):
            await mesh.open(shape)

    async def main() -> None:
        async with Mesh(good) as mesh:
            await refused(mesh, Shape(model="x"), ModelNotFound, "known: m")
            await refused(mesh, Shape(model="m", local_only=True), Unavailable, "may not leave")
            mesh.dispatcher.max_queue = 0
            await refused(mesh, SHAPE, Overloaded, "in flight")
        async with Mesh() as mesh:
            await refused(mesh, Shape(model="x"), ModelNotFound, "none yet")

    run(main())


def test_unsupported_tasks_are_said() -> None:
    async def main() -> None:
        async with Mesh(good) as mesh:
            (backend,) = mesh.dispatcher.backends.values()
            offers = [
                type(offer)(backend=offer.backend, node="a", model="m", tasks=frozenset({"generate"}))
                for offer in backend.offers()
            ]
            backend._offers = tuple(offers)  # type: ignore[attr-defined]
            mesh.dispatcher.refresh()
            with pytest.raises(Unsupported, match="cannot rerank"):
                await mesh.open(Shape(model="m", task="rerank"))

    run(main())


def test_old_decisions_make_room() -> None:
    async def main() -> None:
        async with Mesh() as mesh:
            for _ in range(1010):
                with pytest.raises(ModelNotFound):
                    await mesh.open()
            assert len(mesh.dispatcher.decisions) == 1000
            assert mesh.last.id == "r1010"

    run(main())
