"""One look at every deadline of a loop."""

from __future__ import annotations

import asyncio
import math
import time
from email.utils import parsedate_to_datetime

from bago_jupyter.http1.sweep import Sweep, _sweeps, sweep


class Thing:
    def __init__(self, deadline: float = math.inf):
        self.deadline = deadline
        self.told = asyncio.Event()
        self.at = 0.0

    def overdue(self, now: float) -> None:
        self.at, self.deadline = now, math.inf
        self.told.set()


def test_what_is_overdue_is_told_and_the_rest_is_not() -> None:
    async def main() -> None:
        now = time.monotonic()
        soon, never, moved = Thing(now + 0.3), Thing(), Thing(now + 0.1)
        for thing in (soon, never, moved):
            sweep().watch(thing)
        moved.deadline = now + 3600
        await asyncio.wait_for(soon.told.wait(), 30)
        assert soon.at >= now + 0.3
        assert not never.told.is_set() and not moved.told.is_set()
        moved.deadline = now
        await asyncio.wait_for(moved.told.wait(), 30)

    asyncio.run(main())


def test_whoever_is_forgotten_by_another_is_not_told() -> None:
    async def main() -> None:
        watch = Sweep()
        things = [Thing(0.0), Thing(0.0)]

        def end(now: float, other: Thing) -> None:
            ended.append(other)
            watch.forget(other)

        ended: list[Thing] = []
        for thing, other in zip(things, reversed(things), strict=True):
            thing.overdue = lambda now, other=other: end(now, other)  # type: ignore[method-assign, misc]
            watch.watch(thing)
        watch.look()
        assert len(ended) == 1 and len(watch) == 1

    asyncio.run(main())


def test_nothing_runs_where_nothing_is_watched() -> None:
    async def main() -> None:
        watch, thing = Sweep(), Thing(0.0)
        watch.watch(thing)
        watch.forget(thing)
        while watch._timer is not None:
            await asyncio.sleep(0.05)
        assert not thing.told.is_set()
        watch.watch(thing)
        await asyncio.wait_for(thing.told.wait(), 30)

    asyncio.run(main())


def test_the_date_is_right_again_when_something_comes_after_a_pause() -> None:
    async def main() -> None:
        watch, thing = Sweep(), Thing()
        watch.watch(thing)
        name, value = watch.date.strip().split(b": ", 1)
        assert name == b"date"
        assert abs(parsedate_to_datetime(value.decode()).timestamp() - time.time()) < 30
        watch.forget(thing)
        while watch._timer is not None:
            await asyncio.sleep(0.05)
        watch.date = b"date: old\r\n"
        watch.watch(thing)
        assert watch.date != b"date: old\r\n"

    asyncio.run(main())


def test_each_loop_has_its_own_and_takes_it_along() -> None:
    async def own() -> Sweep:
        sweep().watch(Thing())
        assert sweep() is sweep()
        return sweep()

    first, second = asyncio.run(own()), asyncio.run(own())
    assert first is not second and first not in _sweeps.values()
