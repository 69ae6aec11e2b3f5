"""Requests that wait for a slot: in fair order, bounded, and none forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from faults import Call, Faults

from bago_jupyter.backends import Answer, Dispatcher, HttpBackend, Request
from bago_jupyter.errors import ModelNotFound, Overloaded
from bago_jupyter.events import Bus
from bago_jupyter.router import Shape


class Bench:
    """One backend whose answers wait for :meth:`let_go`."""

    def __init__(self, slots: int = 2, max_queue: int = 100):
        self.dispatcher = Dispatcher(Bus(), max_queue=max_queue)
        self.slots = slots
        self.asked: list[Call] = []
        self._held: list[asyncio.Future[None]] = []
        self._count = 0

    async def __aenter__(self) -> Bench:
        self.server = await Faults(self._script).__aenter__()
        self.dispatcher.add(HttpBackend("a", self.server.url, ["m"], slots=self.slots))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.close()
        await self.server.__aexit__(None, None, None)

    async def _script(self, call: Call) -> None:
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asked.append(call)
        self._held.append(held)
        await held
        await call.json(b"{}")

    def ask(self, caller: str = "a") -> asyncio.Task[Answer]:
        self._count += 1
        body = b'{"model":"m","caller":"%s"}' % caller.encode()
        request = Request(id=f"r{self._count}", path=b"/v1/chat/completions", body=body, model="m")
        shape = Shape(model="m", prompt_tokens=10, caller=caller)
        return asyncio.ensure_future(self._ask(request, shape))

    async def _ask(self, request: Request, shape: Shape) -> Answer:
        answer = await self.dispatcher.open(request, shape)
        await answer.read_all()
        return answer

    def let_go(self) -> None:
        """The oldest answer comes."""
        self._held.pop(0).set_result(None)

    async def arrived(self, count: int) -> None:
        while len(self.asked) < count:
            await asyncio.sleep(0.001)

    async def queued(self, count: int) -> None:
        while len(self.dispatcher.queue) != count:
            await asyncio.sleep(0.001)

    def callers(self) -> str:
        return "".join(call.body.decode().split('"caller":"')[1][0] for call in self.asked)


def run(coroutine: Any) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 60))


def test_no_more_go_than_there_are_slots_and_all_get_there() -> None:
    async def main() -> None:
        async with Bench(slots=2) as bench:
            tasks = [bench.ask() for _ in range(10)]
            await bench.arrived(2)
            await bench.queued(8)
            for number in range(10):
                await bench.arrived(min(10, number + 2))
                assert len(bench.asked) - number <= 2
                bench.let_go()
            answers = await asyncio.gather(*tasks)
            assert all(answer.status == 200 for answer in answers)
            assert bench.dispatcher.counts.ok == 10
            assert max(answer.record.queued or 0 for answer in answers) > 0
            assert all(load.in_flight == load.work == 0 for load in bench.dispatcher.loads.values())

    run(main())


def test_a_newcomer_goes_before_the_hundreds_of_another() -> None:
    async def main() -> None:
        async with Bench(slots=1) as bench:
            many = [bench.ask("g") for _ in range(30)]
            await bench.queued(29)
            one = bench.ask("m")
            await bench.queued(30)
            for number in range(31):
                await bench.arrived(number + 1)
                bench.let_go()
            await asyncio.gather(*many, one)
            assert bench.callers().index("m") <= 2

    run(main())


def test_while_two_are_about_the_last_free_slot_is_the_others() -> None:
    async def main() -> None:
        async with Bench(slots=2) as bench:
            before = bench.ask("m")
            await bench.arrived(1)
            bench.let_go()
            await before
            many = [bench.ask("g") for _ in range(5)]
            await bench.queued(4)
            one = bench.ask("m")
            await bench.arrived(3)
            assert bench.callers() == "mgm"
            for number in range(6):
                await bench.arrived(min(7, number + 2))
                bench.let_go()
            await asyncio.gather(*many, one)

    run(main())


def test_beyond_the_bound_it_says_how_many_wait_and_when_to_come_back() -> None:
    async def main() -> None:
        async with Bench(slots=1, max_queue=3) as bench:
            many = [bench.ask("g") for _ in range(4)]
            await bench.queued(3)
            with pytest.raises(Overloaded, match="3 requests wait") as caught:
                await bench.ask("g")
            assert caught.value.queued == 3
            assert caught.value.retry_after is not None
            assert 1 <= caught.value.retry_after <= 60
            modest = bench.ask("m")
            with pytest.raises(Overloaded):  # the last of the greedy one makes room
                await many[-1]
            for number in range(4):
                await bench.arrived(number + 1)
                bench.let_go()
            await asyncio.gather(*many[:-1], modest)
            assert bench.dispatcher.counts.failed == 2

    run(main())


def test_who_leaves_while_waiting_leaves_no_trace() -> None:
    async def main() -> None:
        async with Bench(slots=1) as bench:
            tasks = [bench.ask() for _ in range(5)]
            await bench.arrived(1)
            await bench.queued(4)
            for task in tasks[1:4]:
                task.cancel()
            await bench.queued(1)
            bench.let_go()
            await bench.arrived(2)
            bench.let_go()
            await asyncio.gather(tasks[0], tasks[4])
            assert bench.dispatcher.counts.cancelled == 3
            assert bench.dispatcher.counts.in_flight == 0

    run(main())


def test_who_leaves_in_the_moment_of_getting_a_slot_gives_it_back() -> None:
    async def main() -> None:
        async with Bench(slots=1) as bench:
            first, second, third = bench.ask(), bench.ask(), bench.ask()
            await bench.arrived(1)
            await bench.queued(2)
            original = bench.dispatcher._waiting._start

            def start(asked: Any, chosen: Any) -> None:
                original(asked, chosen)
                asyncio.get_running_loop().call_soon(second.cancel)
                bench.dispatcher._waiting._start = original

            bench.dispatcher._waiting._start = start
            bench.let_go()
            with contextlib.suppress(asyncio.CancelledError):
                await second
            await bench.arrived(2)
            bench.let_go()
            await asyncio.gather(first, third)
            assert all(load.in_flight == load.work == 0 for load in bench.dispatcher.loads.values())

    run(main())


def test_those_who_wait_are_told_when_nobody_is_left() -> None:
    async def main() -> None:
        async with Bench(slots=1) as bench:
            first, second = bench.ask(), bench.ask()
            await bench.arrived(1)
            await bench.queued(1)
            bench.dispatcher.remove("openai:a")
            with pytest.raises(ModelNotFound):
                await second
            bench.let_go()
            await first

    run(main())


def test_those_who_wait_go_where_a_slot_appears() -> None:
    async def main() -> None:
        async with Bench(slots=1) as bench:
            first, second = bench.ask(), bench.ask()
            await bench.queued(1)
            bench.dispatcher.add(HttpBackend("b", bench.server.url, ["m"], slots=1))
            await bench.arrived(2)
            bench.let_go()
            bench.let_go()
            assert {(await first).node, (await second).node} == {"a", "b"}

    run(main())


def test_those_who_wait_for_one_model_do_not_hide_those_who_wait_for_another() -> None:
    async def main() -> None:
        async with Bench(slots=1, max_queue=1000) as bench, Faults(lambda call: call.json()) as other:
            many = [bench.ask() for _ in range(100)]
            await bench.queued(99)
            bench.dispatcher.add(HttpBackend("b", other.url, ["y"], slots=1))
            request = Request(id="y", path=b"/v1/chat/completions", body=b'{"model":"y"}', model="y")
            shape = Shape(model="y", prompt_tokens=10, caller="a")
            both = [asyncio.ensure_future(bench._ask(request, shape)) for _ in range(2)]
            await asyncio.gather(*both)
            assert len(bench.asked) == 1
            for task in many:
                task.cancel()
            await asyncio.wait(many)

    run(main())


def test_who_is_on_his_way_out_already_is_not_pushed_out() -> None:
    async def main() -> None:
        async with Bench(slots=1, max_queue=2) as bench:
            greedy = [bench.ask("g") for _ in range(3)]
            await bench.queued(2)
            modest = bench.ask("m")  # begins before the one that is cancelled now has ended
            greedy[-1].cancel()
            await asyncio.wait([greedy[-1]])
            for number in range(3):
                await bench.arrived(number + 1)
                bench.let_go()
            await asyncio.gather(*greedy[:-1], modest)
            assert not bench.dispatcher._waiting.waiters
            assert not bench.dispatcher._waiting._kinds

    run(main())


def test_when_a_pause_is_over_those_who_wait_elsewhere_go_there() -> None:
    async def main() -> None:
        async with Bench(slots=1) as bench, Faults(lambda call: call.json()) as other:
            bench.dispatcher.policy = "priority"
            bench.dispatcher.add(HttpBackend("b", other.url, ["m"], slots=1))
            now = asyncio.get_running_loop().time()
            bench.dispatcher.breakers.failed("openai:b", "m", now, "it is busy", "limit", retry_after=2.0)
            first, second = bench.ask(), bench.ask()
            await bench.queued(1)
            assert (await second).node == "b"
            bench.let_go()
            await first

    run(main())


def test_a_mistake_in_one_decision_leaves_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Bench(slots=1) as bench:
            first, second, third = bench.ask(), bench.ask(), bench.ask()
            await bench.arrived(1)
            await bench.queued(2)
            waiting = bench.dispatcher._waiting
            choose = waiting._choose

            def mistaken(asked: Any, ahead: int) -> Any:
                if asked.request.id == "r2":
                    raise ZeroDivisionError
                return choose(asked, ahead)

            monkeypatch.setattr(waiting, "_choose", mistaken)
            bench.let_go()
            with pytest.raises(ZeroDivisionError):
                await second
            await bench.arrived(2)
            bench.let_go()
            await asyncio.gather(first, third)

    run(main())


def test_a_caller_who_is_alone_needs_no_tickets_until_another_comes() -> None:
    async def main() -> None:
        async with Bench(slots=8) as bench:
            queue = bench.dispatcher.queue
            first = bench.ask("g")
            await bench.arrived(1)
            bench.let_go()
            await first
            assert queue.sole == "g" and not queue._open
            many = [bench.ask("g") for _ in range(5)]
            await bench.arrived(6)
            assert queue.sole == "g" and not queue._open  # nothing was written down for them
            one = bench.ask("m")
            await bench.arrived(7)
            assert queue.sole is None
            assert (queue._flying, queue._open) == ({"g": 5, "m": 1}, {"g": 5, "m": 1})
            assert queue.leaves_one("g", asyncio.get_running_loop().time())
            for _ in range(6):
                bench.let_go()
            await asyncio.gather(*many, one)
            assert not queue._flying and not queue._open

    run(main())


def test_a_caller_who_is_alone_waits_in_order_where_there_is_no_slot() -> None:
    async def main() -> None:
        async with Bench(slots=2) as bench:
            queue = bench.dispatcher.queue
            first = bench.ask("g")
            await bench.arrived(1)
            bench.let_go()
            await first
            many = [bench.ask("g") for _ in range(5)]
            await bench.arrived(3)
            await bench.queued(3)
            assert queue.sole is None and queue._flying == {"g": 2}
            for number in range(5):
                await bench.arrived(number + 2)
                bench.let_go()
            await asyncio.gather(*many)
            assert queue.sole == "g" and not queue._open and not queue._flying

    run(main())
