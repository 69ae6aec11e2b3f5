"""Counting, writing behind, asking."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from decisions import decision
from headless import until

from bago_jupyter.errors import InvalidRequest
from bago_jupyter.statistics import Statistics, query, statistics
from bago_jupyter.statistics.store import Store

Work = Callable[[Statistics], Awaitable[object]]


def during(path: Path, work: Work, said: list[str] | None = None) -> None:
    """Run ``work`` while statistics are kept in ``path``."""

    async def run() -> None:
        made = Statistics(path, (said if said is not None else []).append)
        await made.start()
        try:
            await work(made)
        finally:
            await made.stop()

    asyncio.run(run())


async def requests(made: Statistics, by: tuple[str, ...] = ("model",)) -> dict[object, int]:
    rows = await made.summary(by)
    return {tuple(getattr(row, name) for name in by): row.requests for row in rows}


def test_what_was_recorded_is_there_at_once_and_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "stats.db"

    async def first(made: Statistics) -> None:
        for _ in range(3):
            made.collector.record(decision("a"))
        made.collector.record(decision("b", outcome="cancelled"))
        assert await requests(made) == {("a",): 3, ("b",): 1}
        await made.flush()
        assert await requests(made) == {("a",): 3, ("b",): 1}
        made.collector.record(decision("a"))
        assert await requests(made) == {("a",): 4, ("b",): 1}
        assert made.totals()["a", "here", "chat"].ok == 4
        made.collector.record(decision("last"))

    async def second(made: Statistics) -> None:
        assert await requests(made) == {("a",): 4, ("b",): 1, ("last",): 1}
        assert made.totals() == {}
        made.collector.record(decision("a"))
        (whole,) = await made.summary(())
        assert (whole.requests, whole.ok, whole.cancelled, whole.model) == (7, 6, 1, None)

    during(path, first)
    during(path, second)


def test_nothing_is_counted_twice_while_it_is_written(tmp_path: Path) -> None:
    async def work(made: Statistics) -> None:
        for number in range(1, 200):
            made.collector.record(decision())
            if number % 3 == 0:
                flushing = asyncio.ensure_future(made.flush())
            assert await requests(made) == {("smol",): number}
            if number % 3 == 0:
                await flushing
        assert made.totals()["smol", "here", "chat"].requests == 199

    during(tmp_path / "stats.db", work)


def test_the_order_and_the_figures(tmp_path: Path) -> None:
    async def work(made: Statistics) -> None:
        for number in range(100):
            made.collector.record(
                decision("a", first=0.1, seconds=1.1 if number < 90 else 9.0, tokens=(10, 51))
            )
        made.collector.record(
            decision(
                "b", node=None, status=404, outcome="failed", detail="No such model.", tokens=(None, None)
            )
        )
        row, other = await made.summary(("model", "node"))
        assert (row.model, row.node, row.requests, row.failed) == ("a", "here", 100, 0)
        assert (other.model, other.node, other.requests, other.failed) == ("b", "", 1, 1)
        assert (row.prompt_tokens, row.completion_tokens) == (1000, 5100)
        assert row.first_token_mean == pytest.approx(0.1) and row.first_token_p50 is not None
        assert 0.063 <= row.first_token_p50 <= 0.1
        assert row.latency_p50 is not None and row.latency_p95 is not None
        assert 1.0 <= row.latency_p50 <= 1.6 and 6.3 <= row.latency_p95 <= 10.0
        assert row.tokens_per_second == pytest.approx(5000 / (90 * 1.0 + 10 * 8.9))
        assert other.latency_p50 is None and other.tokens_per_second is None

    during(tmp_path / "stats.db", work)


def test_since_and_series(tmp_path: Path) -> None:
    now = time.time() // 60 * 60 + 30

    async def work(made: Statistics) -> None:
        for age, model in ((0, "a"), (0, "b"), (120, "a"), (7200, "a"), (100 * 3600, "a"), (30 * 86400, "b")):
            made.collector.record(decision(model, ended=now - age))
        for _ in range(2):  # from memory, then from the file
            for since, count in ((60, 2), (300, 3), (10800, 4), (5 * 86400, 5), (60 * 86400, 6)):
                (row,) = await made.summary((), since)
                assert row.requests == count, since
            (line,) = await made.series((), 600, points=60)
            assert line.step == 60 and len(line.requests) in (10, 11)
            assert sum(line.requests) == 3
            assert line.requests[int((now - 120 - line.start) // 60)] == 1
            first, second = await made.series(("model",), 60 * 86400, points=24)
            assert (first.model, sum(first.requests), second.model, sum(second.requests)) == ("a", 4, "b", 2)
            assert first.step % 3600 == 0 and len(first.requests) <= 24 and first.start % 3600 == 0
            assert second.latency_p50[-1] is not None and second.latency_p50[0] is None
            await made.flush()

    during(tmp_path / "stats.db", work)


@pytest.mark.parametrize(
    ("by", "since", "points", "said"),
    [
        (["modle"], 60, 5, "did you mean model"),
        (["1; DROP TABLE usage"], 60, 5, "there are model, node, caller, dialect"),
        ([], 0, 5, "between 0 and"),
        ([], float("nan"), 5, "between 0 and"),
        ([], 401 * 86400, 5, "400 days"),
        ([], 60, 0, "1 to 1000 points"),
        ([], 60, 100_000, "1 to 1000 points"),
    ],
)
def test_bad_questions(tmp_path: Path, by: list[str], since: float, points: int, said: str) -> None:
    async def work(made: Statistics) -> None:
        with pytest.raises(InvalidRequest, match=said):
            await made.series(by, since, points)
        if points == 5:
            with pytest.raises(InvalidRequest, match=said):
                await made.summary(by, since)

    during(tmp_path / "stats.db", work)


def test_a_file_that_cannot_be_used_disturbs_nobody(tmp_path: Path) -> None:
    path, said = tmp_path / "stats.db", []
    path.mkdir()

    async def work(made: Statistics) -> None:
        for number in range(1, 4):
            made.collector.record(decision())
            await made.flush()
            assert await requests(made) == {("smol",): number}
        path.rmdir()
        await made.flush()
        assert await requests(made) == {("smol",): 3}

    during(path, work, said)
    assert len(said) == 1 and "cannot be kept for now" in said[0] and str(path) in said[0]

    async def later(made: Statistics) -> None:
        assert await requests(made) == {("smol",): 3}

    during(path, later)


def test_what_cannot_be_written_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "UNSAVED", 10)
    path = tmp_path / "stats.db"
    path.mkdir()
    now = time.time()

    async def work(made: Statistics) -> None:
        for age in range(100):
            made.collector.record(decision(ended=now - 60 * age))
            await made.flush()
        (row,) = await made.summary((), 601)
        assert row.requests == 10, "the newest are kept"
        assert made.totals()["smol", "here", "chat"].requests == 100

    during(path, work)


def test_a_damaged_file_is_said_once_and_begun_anew(tmp_path: Path) -> None:
    path, said = tmp_path / "stats.db", []
    path.write_bytes(b"rubbish" * 1000)

    async def work(made: Statistics) -> None:
        made.collector.record(decision())
        await made.flush()
        assert await requests(made) == {("smol",): 1}

    during(path, work, said)
    assert len(said) == 1 and "stats.db.damaged" in said[0]


def test_a_locked_file_costs_nothing(tmp_path: Path) -> None:
    path, said = tmp_path / "stats.db", []

    async def work(made: Statistics) -> None:
        made.collector.record(decision())
        await made.flush()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            made.collector.record(decision())
            await made.flush()
            assert made.totals()["smol", "here", "chat"].requests == 2
            other.execute("ROLLBACK")
        assert await requests(made) == {("smol",): 2}

    during(path, work, said)
    assert len(said) == 1 and "locked" in said[0]


def test_stopping_does_not_wait_for_a_file_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of a home on a network that is gone."""
    hangs, let_go = threading.Event(), threading.Event()

    def write(store: Store, cells: object) -> None:
        hangs.set()
        let_go.wait(600)

    monkeypatch.setattr(Store, "write", write)

    async def run() -> None:
        made = Statistics(tmp_path / "stats.db")
        made.collector.record(decision())
        await made.start()
        try:
            assert await asyncio.to_thread(hangs.wait, 60)
            await asyncio.wait_for(made.stop(), 60)
        finally:
            let_go.set()

    asyncio.run(run())


CHILD = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from decisions import decision
from bago_jupyter.statistics import Statistics

async def main():
    made = Statistics(Path(sys.argv[1]))
    await made.start()
    while True:
        made.collector.record(decision())
        await asyncio.sleep(0.01)

asyncio.run(main())
"""


def written(path: Path) -> int:
    """How many requests the file holds, as another process sees it."""
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("SELECT sum(ok) FROM usage").fetchone()[0] or 0)
    except sqlite3.OperationalError:  # being made, or written at this moment
        return 0


def test_kill_9_costs_no_more_than_was_not_written_yet(tmp_path: Path) -> None:
    """It is written all the time, and never in pieces."""
    path = tmp_path / "stats.db"
    command = [sys.executable, "-c", CHILD, str(path), str(Path(__file__).parents[1])]
    with subprocess.Popen(command) as child:
        first = until(lambda: written(path))
        kept = until(lambda: (now := written(path)) > first and now)
        os.kill(child.pid, signal.SIGKILL)

    async def work(made: Statistics) -> None:
        assert (await requests(made))["smol",] >= kept

    said: list[str] = []
    during(path, work, said)
    assert said == []


def test_minutes_are_kept_as_long_as_they_are_asked_for() -> None:
    now = time.time()
    assert query.whole(query.MINUTES_KEPT, now).start >= (now - query.MINUTES_KEPT) // 3600 * 3600
    assert query.steps(query.MINUTES_KEPT + 1, now, 1000).step % 3600 == 0


def test_what_no_thread_takes_is_done_here_and_once() -> None:
    done: list[int] = []

    async def run() -> None:
        await asyncio.get_running_loop().shutdown_default_executor()
        assert await statistics._aside(lambda: done.append(1) or len(done)) == 1

    asyncio.run(run())
    assert done == [1]


def test_what_fails_in_its_thread_is_not_done_again() -> None:
    done: list[int] = []

    def fail() -> None:
        done.append(1)
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    with pytest.raises(RuntimeError, match="cannot schedule"):
        asyncio.run(statistics._aside(fail))
    assert done == [1]
