"""Two attempts at one answer: whoever has it first wins, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from bago_jupyter.backends.race import Race
from bago_jupyter.errors import Unavailable, UpstreamFailed


class Prize:
    def __init__(self, name: str):
        self.name = name
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Runner:
    """An attempt under the test's control."""

    def __init__(self, name: str) -> None:
        self.prize = Prize(name)
        self.started = asyncio.Event()
        self.finish: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.cancelled = False

    async def run(self) -> Prize:
        self.started.set()
        try:
            await self.finish
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return self.prize

    def win(self) -> None:
        self.finish.set_result(None)

    def fail(self, error: BaseException) -> None:
        self.finish.set_exception(error)


class Track:
    def __init__(self) -> None:
        self.first, self.second = Runner("first"), Runner("second")
        self.race: Race[Prize] = Race(self._make)
        self.race.late_after(0.0)
        self.task = asyncio.ensure_future(self.race.run(self.first.run()))

    def _make(self, race: Race[Prize]) -> Coroutine[Any, Any, Prize]:
        assert race is self.race
        return self.second.run()


def run(coroutine: Any) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


def test_the_first_wins_and_the_second_is_called_back() -> None:
    async def main() -> None:
        track = Track()
        await track.second.started.wait()
        assert track.race.running
        track.first.win()
        assert (await track.task).name == "first"
        await asyncio.sleep(0)
        assert track.second.cancelled
        assert track.race.lost

    run(main())


def test_the_second_wins_and_the_first_is_called_back() -> None:
    async def main() -> None:
        track = Track()
        await track.second.started.wait()
        track.second.win()
        assert (await track.task).name == "second"
        assert track.first.cancelled
        assert track.task.cancelling() == 0

    run(main())


def test_in_time_there_is_no_second() -> None:
    async def main() -> None:
        track = Track()
        track.race.late_after(60)
        track.first.win()
        assert (await track.task).name == "first"
        assert not track.second.started.is_set()

    run(main())


def test_both_at_once_leave_one_prize_open() -> None:
    async def main() -> None:
        track = Track()
        await track.second.started.wait()
        track.second.win()
        track.first.win()
        winner = await track.task
        await asyncio.sleep(0)
        loser = {"first": track.second, "second": track.first}[winner.name]
        assert not winner.closed
        assert loser.prize.closed or loser.cancelled

    run(main())


def test_a_first_that_fails_waits_for_the_second() -> None:
    async def main() -> None:
        track = Track()
        await track.second.started.wait()
        track.first.fail(UpstreamFailed("broken"))
        await asyncio.sleep(0)
        track.second.win()
        assert (await track.task).name == "second"

    run(main())


def test_a_second_that_fails_changes_nothing() -> None:
    async def main() -> None:
        track = Track()
        await track.second.started.wait()
        track.second.fail(UpstreamFailed("broken"))
        await asyncio.sleep(0)
        track.first.win()
        assert (await track.task).name == "first"

    run(main())


def test_when_both_fail_the_last_error_is_told() -> None:
    async def main() -> None:
        track = Track()
        await track.second.started.wait()
        track.first.fail(UpstreamFailed("first"))
        await asyncio.sleep(0)
        track.second.fail(Unavailable("second"))
        with pytest.raises(Unavailable, match="second"):
            await track.task

    run(main())


@pytest.mark.parametrize("first_failed", [False, True])
def test_a_client_that_leaves_ends_both(first_failed: bool) -> None:
    async def main() -> None:
        track = Track()
        await track.second.started.wait()
        if first_failed:
            track.first.fail(UpstreamFailed("broken"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        track.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await track.task
        await asyncio.sleep(0)
        assert track.second.cancelled
        assert track.first.cancelled or first_failed

    run(main())


def test_a_client_that_leaves_as_the_second_wins_leaves_no_prize_open() -> None:
    async def main() -> None:
        track = Track()
        await track.second.started.wait()
        track.second.win()
        track.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await track.task
        await asyncio.sleep(0)
        assert track.second.prize.closed or track.second.cancelled

    run(main())


def test_a_client_that_leaves_as_the_second_wins_after_the_first_failed_leaves_no_prize_open() -> None:
    async def main() -> None:
        track = Track()
        await track.second.started.wait()
        track.first.fail(UpstreamFailed("broken"))
        for _ in range(3):
            await asyncio.sleep(0)
        track.second.win()
        asyncio.get_running_loop().call_soon(track.task.cancel)  # it has an answer, that nobody has taken
        with pytest.raises(asyncio.CancelledError):
            await track.task
        assert not track.second.cancelled
        assert track.second.prize.closed

    run(main())


def test_a_second_that_finds_nobody_is_tried_again() -> None:
    async def main() -> None:
        first, second = Runner("first"), Runner("second")
        asked: list[int] = []

        def make(race: Race[Prize]) -> Coroutine[Any, Any, Prize] | None:
            asked.append(1)
            return second.run() if len(asked) == 3 else None

        race: Race[Prize] = Race(make)
        race.late_after(0.0)
        task = asyncio.ensure_future(race.run(first.run()))
        await second.started.wait()
        second.win()
        assert (await task).name == "second"
        assert len(asked) == 3

    run(main())
