"""A backend that is late is overtaken, and costs nobody a request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from backends.failing import SOON, Mesh, answers, dead, frozen, good, run
from faults import Call

from bago_jupyter.backends.patience import until_admission
from bago_jupyter.errors import Unavailable, UpstreamTimeout
from bago_jupyter.events import RequestEnded
from bago_jupyter.http1.limits import HIGH_WATER
from bago_jupyter.http1.sweep import sweep
from bago_jupyter.router import Load, Offer, Row, Shape

STREAM = Shape(model="m", prompt_tokens=10, stream=True)


class Switch:
    """A backend that answers until it is told to stop."""

    def __init__(self) -> None:
        self.frozen = False

    async def __call__(self, call: Call) -> None:
        if self.frozen:
            await call.gone.wait()
        else:
            await good(call)


async def teach(mesh: Mesh, times: int = 8) -> None:
    for _ in range(times):
        assert b"usage" in await mesh.ask()


def test_a_backend_that_freezes_is_overtaken_and_then_avoided() -> None:
    async def main() -> None:
        switch = Switch()
        async with Mesh(switch, good) as mesh:
            await teach(mesh)
            switch.frozen = True
            mesh.request["header_timeout"] = 60.0
            await teach(mesh, 10)
            assert [attempt.node for attempt in mesh.records[-10].attempts] == ["a", "b"]
            assert [attempt.outcome for attempt in mesh.records[-10].attempts] == ["overtaken", "ok"]
            assert mesh.records[-10].attempts[1].hedge
            assert len(mesh.servers[0].calls) <= 8 + 2
            await asyncio.wait_for(mesh.servers[0].calls[8].gone.wait(), 30)
            assert all(load.in_flight == load.work == 0 for load in mesh.dispatcher.loads.values())
            assert mesh.dispatcher.counts.ok == 18

    run(main())


def test_a_second_attempt_that_fails_leaves_the_first_its_time() -> None:
    async def main() -> None:
        release = asyncio.Event()

        async def slow(call: Call) -> None:
            if call.number > 8:
                await release.wait()
            await good(call)

        async with Mesh(slow, answers(503)) as mesh:
            await teach(mesh)
            mesh.request["header_timeout"] = 60.0
            task = asyncio.ensure_future(mesh.ask())
            while not mesh.servers[1].calls:
                await asyncio.sleep(0.001)
            release.set()
            assert b"usage" in await task
            assert mesh.last.outcome == "ok"

    run(main())


def test_nobody_is_asked_twice_without_a_free_slot_elsewhere() -> None:
    async def main() -> None:
        switch = Switch()
        async with Mesh(switch, good) as mesh:
            await teach(mesh)
            mesh.dispatcher.breakers.failed("openai:b", "m", 1e12, "it is said to be broken", "error")
            switch.frozen = True
            mesh.request["header_timeout"] = 1.5
            assert b"usage" in await mesh.ask()
            assert not any(attempt.hedge for attempt in mesh.last.attempts)
            assert "no response header" in (mesh.last.attempts[0].detail or "")
            assert mesh.last.attempts[0].cause == "frozen"

    run(main())


def test_second_attempts_are_few_where_everybody_is_slow() -> None:
    async def main() -> None:
        switch = Switch()
        async with Mesh(switch, switch) as mesh:
            await teach(mesh)
            patience = mesh.dispatcher._attempts._patience
            patience._saved, patience._seen = 2.0, mesh.dispatcher.counts.total
            switch.frozen = True
            mesh.request["header_timeout"] = 1.5
            results = await asyncio.gather(*(mesh.ask() for _ in range(12)), return_exceptions=True)
            assert all(isinstance(result, UpstreamTimeout) for result in results)
            hedges = sum(attempt.hedge for record in mesh.records[-12:] for attempt in record.attempts)
            assert hedges <= 3

    run(main())


def test_a_stream_that_stops_in_the_middle_is_broken_off() -> None:
    async def stalls(call: Call) -> None:
        await call.sse_head()
        await call.chunk(b"data: 1\n\n")
        await call.gone.wait()

    async def main() -> None:
        async with Mesh(stalls) as mesh:
            mesh.dispatcher.idle_timeout = 0.1
            answer = await mesh.open(STREAM)
            assert await answer.read() == b"data: 1\n\n"
            with pytest.raises(UpstreamTimeout, match=r"sent nothing for 0\.1 s"):
                await answer.read()
            await asyncio.wait_for(mesh.servers[0].calls[0].gone.wait(), 30)
            assert "sent nothing" in (mesh.last.detail or "")
            assert (mesh.last.outcome, mesh.last.cause) == ("failed", "frozen")

    run(main())


def test_headers_alone_are_no_answer() -> None:
    async def hangs(call: Call) -> None:
        await call.sse_head()
        await call.gone.wait()

    async def main() -> None:
        async with Mesh(hangs, good) as mesh:
            mesh.dispatcher.idle_timeout = 0.1
            mesh.request["header_timeout"] = SOON
            assert b"usage" in await mesh.ask()
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "b"]

    run(main())


def test_a_client_that_reads_slowly_is_not_taken_for_a_frozen_backend() -> None:
    async def main() -> None:
        async def quick(call: Call) -> None:
            await call.sse_head()
            for _ in range(4):
                await call.chunk(b"data: %s\n\n" % (b"x" * HIGH_WATER))
            await call.chunk(b"data: [DONE]\n\n")
            await call.raw(b"0\r\n\r\n")

        async with Mesh(quick) as mesh:
            mesh.dispatcher.idle_timeout = 0.1
            answer = await mesh.open(STREAM)
            first = await answer.read()
            response = answer.opened.exchange._exchange  # type: ignore[attr-defined]
            while not response._connection.paused:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.2)
            sweep().look()
            rest = b""
            while chunk := await answer.read():
                rest += chunk
            assert b"[DONE]" in first + rest
            assert mesh.last.outcome == "ok"

    run(main())


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [(b"retry-after: 7\r\n", 6.5, 7.0), (b"retry-after: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 3590, 3600)],
)
def test_retry_after_is_kept_to(header: bytes, low: float, high: float) -> None:
    async def main() -> None:
        async with Mesh(answers(429, header), good) as mesh:
            await teach(mesh, 2)
            assert len(mesh.servers[0].calls) == 1
            assert mesh.last.rejections[0].gate == "breaker"
            (breaker,) = mesh.dispatcher.breakers.all.values()
            left = breaker.until - asyncio.get_running_loop().time()
            assert low - 5 <= left <= high

    run(main())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_backend_has_against_this_node_is_not_the_clients(status: int) -> None:
    async def main() -> None:
        async with Mesh(answers(status), good) as mesh:
            assert b"usage" in await mesh.ask()
            assert len(mesh.last.attempts) == 2

    run(main())


def test_a_refused_key_is_said_where_nobody_else_can_answer() -> None:
    async def main() -> None:
        async with Mesh(answers(401)) as mesh:
            with pytest.raises(Unavailable, match="refuses the key"):
                await mesh.open()

    run(main())


def test_a_machine_that_is_gone_is_known_for_all_its_models() -> None:
    async def main() -> None:
        async with Mesh(dead, good) as mesh:
            await mesh.servers[0].__aexit__(None, None, None)
            assert b"usage" in await mesh.ask()
            assert mesh.dispatcher.breakers.look("openai:a", "any", 0.0)[0] == "open"

    run(main())


def test_every_decision_replays() -> None:
    async def main() -> None:
        async with Mesh(answers(503), frozen, good) as mesh:
            mesh.request["header_timeout"] = SOON
            mesh.dispatcher.policy = "weighted"
            for _ in range(20):
                await mesh.ask()
            assert all(record.replayed for record in mesh.dispatcher.records.latest(20))

    run(main())


def test_the_one_that_answered_is_told_where_another_was_called_back() -> None:
    async def main() -> None:
        release = asyncio.Event()

        async def slow(call: Call) -> None:
            if call.number > 8:
                await release.wait()
            await good(call)

        async with Mesh(slow, frozen) as mesh:
            told: list[Any] = []
            await teach(mesh)
            mesh.request["header_timeout"] = 60.0
            mesh.dispatcher.books.collector.record = lambda record: told.extend(  # type: ignore[method-assign]
                (attempt.node, attempt.outcome) for attempt in record.attempts
            )
            events: list[Any] = []
            mesh.dispatcher.books._bus.listen(events.append)
            task = asyncio.ensure_future(mesh.ask())
            while not mesh.servers[1].calls:
                await asyncio.sleep(0.001)
            release.set()
            await task
            assert [e.backend for e in events if isinstance(e, RequestEnded)] == ["openai:a"]
            assert told == [("a", "ok"), ("b", "overtaken")]

    run(main())


def test_before_the_first_byte_the_header_deadline_counts() -> None:
    async def main() -> None:
        release = asyncio.Event()

        async def reads_long(call: Call) -> None:
            await call.sse_head()
            await release.wait()
            await call.chunk(b"data: 1\n\ndata: [DONE]\n\n")
            await call.raw(b"0\r\n\r\n")

        async with Mesh(reads_long) as mesh:
            mesh.dispatcher.idle_timeout = 1e-9
            mesh.request["header_timeout"] = 60.0
            task = asyncio.ensure_future(mesh.ask(STREAM))
            while not mesh.servers[0].calls:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            sweep().look()
            release.set()
            assert b"[DONE]" in await task

    run(main())


def test_nobody_who_has_failed_since_is_asked_beside_one_that_is_late() -> None:
    async def main() -> None:
        switch = Switch()
        async with Mesh(switch, good, good) as mesh:
            await teach(mesh)
            switch.frozen = True
            mesh.request["header_timeout"] = 60.0
            task = asyncio.ensure_future(mesh.ask())
            while len(mesh.servers[0].calls) < 9:
                await asyncio.sleep(0.001)
            now = asyncio.get_running_loop().time()
            mesh.dispatcher.breakers.failed("openai:b", "m", now + 1e6, "it is said to be broken", "error")
            assert b"usage" in await task
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "c"]

    run(main())


def test_a_long_request_may_take_its_time_to_reach_a_peer() -> None:
    def limit(tokens: int, load: Load) -> float:
        offer = Offer(backend="p", node="p", model="m", tasks=frozenset({"generate"}), peer=True)
        row = Row(offer, 0, 0, 0, 50.0, 0.0, 0, 1)
        found = until_admission(row, load, Shape(model="m", prompt_tokens=tokens))
        assert found is not None
        return found

    known = Load()
    for _ in range(5):
        known.admission.saw(0.001)
    megabytes = 16
    for load in (Load(), known):
        assert limit(10, load) <= 1.01
        assert limit(megabytes * 2**20 // 4, load) >= megabytes
