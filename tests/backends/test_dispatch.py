"""The dispatcher over backends that fail in every way before and after the first byte."""

from __future__ import annotations

import asyncio
import time

import pytest
from backends.failing import (
    SOON,
    Mesh,
    Script,
    answers,
    broken_stream,
    dead,
    frozen,
    good,
    half,
    run,
    silent_stream,
)
from faults import Call

from bago_jupyter.backends import HttpBackend
from bago_jupyter.backends.attempts import MOST
from bago_jupyter.errors import BagoError, ModelNotFound, Unavailable, Unsupported, UpstreamFailed
from bago_jupyter.router import Shape
from bago_jupyter.router.load import DEFAULT_SPEED


@pytest.mark.parametrize(
    "bad",
    [dead, frozen, half, silent_stream, answers(500), answers(503), answers(429)],
    ids=lambda s: s.__name__,
)
def test_what_fails_before_the_first_byte_goes_to_the_next(bad: Script) -> None:
    async def main() -> None:
        async with Mesh(bad, good) as mesh:
            mesh.request["header_timeout"] = SOON
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
            assert (mesh.last.detail or "").startswith("The backend closed")
            assert (mesh.last.outcome, mesh.last.cause) == ("failed", "broken")
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


def test_one_request_is_tried_so_many_times_and_no_more() -> None:
    async def main() -> None:
        async with Mesh(answers(503)) as mesh:
            for number in range(40):
                mesh.dispatcher.add(HttpBackend(f"more{number}", mesh.servers[0].url, ["m"]))
            assert (await mesh.open()).status == 503
            assert len(mesh.last.attempts) == len(mesh.servers[0].calls) == MOST

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
            await asyncio.wait_for(mesh.servers[0].calls[0].gone.wait(), 30)
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


def test_whole_answers_teach_the_speed_too() -> None:
    async def steady(call: Call) -> None:
        await asyncio.sleep(0.05)
        await call.json(b'{"usage":{"prompt_tokens":7,"completion_tokens":100000}}')

    async def main() -> None:
        async with Mesh(steady) as mesh:
            for _ in range(5):
                await mesh.ask(Shape(model="m", prompt_tokens=10, answer=300))
            assert mesh.dispatcher.loads["openai:a", "m"].speed > 10 * DEFAULT_SPEED

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


@pytest.mark.parametrize("bad", [dead, frozen, half, silent_stream], ids=lambda s: s.__name__)
def test_whenever_the_client_leaves_nothing_is_left_behind(bad: Script) -> None:
    async def leaves_after(steps: int, pause: float) -> None:
        async with Mesh(bad, good) as mesh:
            mesh.request["header_timeout"] = 0.01
            task = asyncio.ensure_future(mesh.ask(Shape(model="m", stream=True)))
            for _ in range(steps):
                await asyncio.sleep(pause)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.sleep(0)
            dispatcher = mesh.dispatcher
            assert dispatcher.counts.in_flight == len(dispatcher.queue) == len(dispatcher.books.flying) == 0
            assert all(load.in_flight == load.work == 0 for load in dispatcher.loads.values())
            assert not dispatcher.queue._flying
            assert not dispatcher.queue._open
            assert not any(breaker.probing for breaker in dispatcher.breakers.all.values())
            for record in mesh.records:
                assert "open" not in [record.outcome, *(attempt.outcome for attempt in record.attempts)]

    async def main() -> None:
        for steps in range(20):
            await leaves_after(steps, 0.0)
            await leaves_after(steps, 0.001)

    run(main())


def test_a_backend_that_was_removed_since_is_passed_over() -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def late(call: Call) -> None:
            await go.wait()
            call.drop()

        async with Mesh(late, good, good) as mesh:
            mesh.request["header_timeout"] = 60.0
            task = asyncio.ensure_future(mesh.ask())
            while not mesh.servers[0].calls:
                await asyncio.sleep(0.001)
            mesh.dispatcher.remove("openai:b")
            go.set()
            assert b"usage" in await task
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "b", "c"]
            assert mesh.dispatcher.breakers.look("openai:b", "m", 0.0) == ("closed", None)

    run(main())


def test_what_is_known_to_fail_by_now_is_tried_last() -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def late(call: Call) -> None:
            await go.wait()
            call.drop()

        async with Mesh(late, good, good) as mesh:
            mesh.request["header_timeout"] = 60.0
            task = asyncio.ensure_future(mesh.ask())
            while not mesh.servers[0].calls:
                await asyncio.sleep(0.001)
            now = asyncio.get_running_loop().time()
            mesh.dispatcher.breakers.failed("openai:b", "m", now + 1e6, "nobody listens", "refused")
            go.set()
            assert b"usage" in await task
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "c"]

    run(main())


def test_the_reason_of_a_pause_is_the_failure() -> None:
    async def main() -> None:
        async with Mesh(answers(503)) as mesh:
            for _ in range(3):
                assert (await (await mesh.open()).read_all()) != b""
                assert (mesh.last.outcome, mesh.last.detail) == ("failed", "a answered 503.")
                assert mesh.last.cause == "error"
            with pytest.raises(Unavailable, match=r"paused after failures: a answered 503\."):
                await mesh.open()

    run(main())


@pytest.mark.parametrize("extra", [b"retry-after: 0\r\n", b"retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n"])
def test_come_back_at_once_is_no_reason_to_ask_it_every_time(extra: bytes) -> None:
    async def main() -> None:
        async with Mesh(answers(503, extra), good) as mesh:
            for _ in range(30):
                assert b"usage" in await mesh.ask()
            assert len(mesh.servers[0].calls) <= 5

    run(main())


def test_a_probe_that_answers_for_long_does_not_keep_the_others_out() -> None:
    async def main() -> None:
        ill, go = True, asyncio.Event()

        async def script(call: Call) -> None:
            if ill:
                await call.json(b"{}", 503)
                return
            await call.sse_head()
            await call.chunk(b"data: 1\n\n")
            await go.wait()
            await call.chunk(b"data: [DONE]\n\n")
            await call.raw(b"0\r\n\r\n")

        async with Mesh(script) as mesh:
            for _ in range(3):
                await (await mesh.open()).read_all()
            ill = False
            (breaker,) = mesh.dispatcher.breakers.all.values()
            breaker.until = 0.0
            stream = Shape(model="m", stream=True)
            probe = await mesh.open(stream)
            second = await mesh.open(stream)
            assert await second.read() == b"data: 1\n\n"
            go.set()
            for answer in (probe, second):
                await answer.read_all()
            assert breaker.failures == 0

    run(main())


def test_a_clock_that_is_set_back_spoils_no_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async def slow(call: Call) -> None:
            monkeypatch.setattr(time, "time", lambda: real() - 3600.0)
            await good(call)

        async with Mesh(slow) as mesh:
            await mesh.ask()
            assert 0.0 <= mesh.last.attempts[0].started <= mesh.last.seconds < 60.0

    real = time.time
    run(main())


def test_what_waited_until_its_record_was_gone_leaves_nothing() -> None:
    async def main() -> None:
        async with Mesh(frozen) as mesh:
            mesh.dispatcher.backends["openai:a"].slots = 1  # type: ignore[attr-defined]
            mesh.dispatcher.refresh()
            mesh.request["header_timeout"] = 60.0
            tasks = [asyncio.ensure_future(mesh.ask()) for _ in range(2)]
            while len(mesh.dispatcher.queue) < 1:
                await asyncio.sleep(0.001)
            for _ in range(1000):
                with pytest.raises(ModelNotFound):
                    await mesh.open(Shape(model="x"))
            mesh.dispatcher.refresh()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert "r2" not in mesh.dispatcher.records and len(mesh.dispatcher.records) == 1000
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    run(main())
