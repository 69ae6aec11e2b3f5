"""The dispatcher over backends that fail in every way before and after the first byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from faults import Call, Faults

from bago_jupyter.backends import Answer, Dispatcher, HttpBackend, Request
from bago_jupyter.errors import BagoError, ModelNotFound, Unavailable, Unsupported, UpstreamFailed
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
        self.request = dict(REQUEST)
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
        return await self.dispatcher.open(Request(id=f"r{self._count}", **self.request), shape)  # type: ignore[arg-type]

    async def ask(self, shape: Shape = SHAPE) -> bytes:
        answer, parts = await self.open(shape), []
        while chunk := await answer.read():
            parts.append(chunk)
        return b"".join(parts)

    @property
    def records(self) -> list[Any]:
        """All decisions, the oldest first."""
        return self.dispatcher.records.latest(1000)[::-1]

    @property
    def last(self) -> Any:
        return self.dispatcher.records.latest()[0]


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


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_the_requests_own_fault_goes_nowhere_else(status: int) -> None:
    async def main() -> None:
        async with Mesh(answers(status), good) as mesh:
            answer = await mesh.open()
            assert answer.status == status
            assert b"no" in await answer.read()
            assert await answer.read() == b""
            assert not mesh.servers[1].calls
            assert mesh.dispatcher.breakers.look("openai:a", "m", 0.0) == ("closed", None)
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
            assert (mesh.last.candidates[0].node, len(mesh.last.attempts)) == ("b", 1)

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
            assert mesh.dispatcher.breakers.look("openai:a", "m", 0.0) == ("closed", None)
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
        async with Mesh() as mesh:
            await refused(mesh, Shape(model="x"), ModelNotFound, "none yet")

    run(main())


def test_unsupported_tasks_are_said() -> None:
    async def main() -> None:
        async with Mesh(good) as mesh:
            (backend,) = mesh.dispatcher.backends.values()
            backend.tasks = frozenset({"generate"})  # type: ignore[attr-defined]
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
            assert len(mesh.dispatcher.records) == 1000
            assert mesh.last.id == "r1010"

    run(main())


NO_EYES = b'{"error":{"code":500,"message":"image input is not supported - hint: provide the mmproj"}}'


def test_a_request_that_is_to_blame_for_a_500_does_not_count_against_the_backend() -> None:
    async def main() -> None:
        body = b'{"error":{"code":500,"message":"Failed to parse messages: no role","type":"server_error"}}'
        async with Mesh(lambda call: call.json(body, 500), good) as mesh:
            for _ in range(5):
                answer = await mesh.open()
                assert (answer.status, await answer.read_all()) == (500, body)
            assert len(mesh.servers[0].calls) == 5
            assert not mesh.servers[1].calls

    run(main())


@pytest.mark.parametrize(
    ("status", "body"), [(500, NO_EYES), (400, b'{"error":{"message":"no", "code": "unsupported"}}')]
)
def test_what_one_backend_cannot_do_another_may(status: int, body: bytes) -> None:
    async def main() -> None:
        async with Mesh(lambda call: call.json(body, status), good) as mesh:
            for _ in range(5):
                assert b"usage" in await mesh.ask()
            assert len(mesh.servers[0].calls) == 5
        async with Mesh(lambda call: call.json(body, status)) as mesh:
            answer = await mesh.open()
            assert await answer.read_all() == body

    run(main())
