"""The switch interval: lowered in flight, given back when idle or when the cell gets too little."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

import pytest

from bago_jupyter.pace import Pace
from bago_jupyter.wire import Counts


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


async def until(interval: float) -> None:
    async with asyncio.timeout(30):
        while sys.getswitchinterval() != pytest.approx(interval):
            await asyncio.sleep(0.01)


def test_lowered_in_flight_and_restored_when_idle() -> None:
    async def main() -> None:
        default = sys.getswitchinterval()
        counts = Counts(in_flight=1)
        pace = Pace(0.0005, 0.5, lambda: counts)
        pace.wake()
        assert sys.getswitchinterval() == pytest.approx(0.0005)
        counts.in_flight = 0
        await until(default)
        assert pace.resting
        pace.wake()
        assert sys.getswitchinterval() == pytest.approx(0.0005)
        pace.close()
        assert sys.getswitchinterval() == pytest.approx(default)

    asyncio.run(main())


def test_a_relay_that_takes_too_much_gives_the_interval_back() -> None:
    async def main() -> None:
        default = sys.getswitchinterval()
        pace = Pace(0.0005, 0.9, lambda: Counts(in_flight=1))
        pace.wake()
        end = time.monotonic() + 20
        while sys.getswitchinterval() != pytest.approx(default):
            assert time.monotonic() < end
            sum(range(20_000))  # the loop's thread is busy all the time
            await asyncio.sleep(0)
        pace.close()

    asyncio.run(main())


def test_zero_leaves_it_alone() -> None:
    async def main() -> None:
        default = sys.getswitchinterval()
        pace = Pace(0, 0.5, Counts)
        assert not pace.resting
        assert sys.getswitchinterval() == default
        pace.close()

    asyncio.run(main())
