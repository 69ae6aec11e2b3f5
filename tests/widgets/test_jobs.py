"""Jobs of a view: what is told of them, and when they are forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bago_jupyter.errors import NotFound, PullFailed
from bago_jupyter.widgets.jobs import Jobs
from bago_jupyter.wire import ModelInfo, Progress


class Told:
    """Jobs, and what they told."""

    def __init__(self) -> None:
        self.moved = 0
        self.ended: list[tuple[str, str | None]] = []
        self.news = asyncio.Event()
        self.jobs = Jobs(self._moved, self._changed)

    def _moved(self) -> None:
        self.moved += 1
        self.news.set()

    def _changed(self, job: Any, model: ModelInfo | None) -> None:
        self.ended.append((job.state, None if model is None else model.id))
        self.news.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self.news.clear()
                await self.news.wait()


async def done(step: Any) -> ModelInfo:
    step(Progress(stage="downloading", done=1, total=2))
    return ModelInfo(id="m", state="available")


def run(scenario: Callable[[Told], Any]) -> None:
    async def main() -> None:
        await scenario(Told())

    asyncio.run(main())


def test_a_job_that_ends_well_is_forgotten() -> None:
    async def scenario(told: Told) -> None:
        told.jobs.begin("pull", "m", "", "here", done)
        assert told.jobs.shown()[0]["state"] == "running"
        await told.until(lambda: ("done", "m") in told.ended)
        assert told.jobs.shown() == []

    run(scenario)


def test_progress_is_told_at_most_once_a_frame() -> None:
    async def scenario(told: Told) -> None:
        go = asyncio.Event()

        async def work(step: Any) -> ModelInfo:
            for at in range(1000):
                step(Progress(stage="downloading", done=at, total=1000))
            await go.wait()
            return ModelInfo(id="m", state="available")

        told.jobs.begin("pull", "m", "", "here", work)
        await told.until(lambda: told.moved)
        assert told.moved == 1
        assert (
            told.jobs.shown()[0] | {"done": 999, "total": 1000, "stage": "downloading"}
            == told.jobs.shown()[0]
        )
        go.set()
        await told.until(lambda: told.ended[-1][0] == "done")

    run(scenario)


def test_a_failed_job_says_why_and_can_be_tried_again_or_dismissed() -> None:
    async def scenario(told: Told) -> None:
        tries = 0

        async def work(step: Any) -> ModelInfo:
            nonlocal tries
            tries += 1
            raise (
                PullFailed("No such file.") if tries < 3 else ValueError("a detail that is nobody's business")
            )

        told.jobs.begin("pull", "m", "", "here", work)
        await told.until(lambda: told.ended[-1][0] == "failed")
        (job,) = told.jobs.shown()
        assert (job["state"], job["error"]) == ("failed", "No such file.")
        told.jobs.again(job["id"])
        assert told.jobs.shown()[0]["state"] == "running" and told.jobs.shown()[0]["error"] is None
        await told.until(lambda: told.ended[-1][0] == "failed" and tries == 2)
        told.jobs.begin("pull", "m", "", "here", work)  # takes the place of the one that failed
        await told.until(lambda: tries == 3 and told.ended[-1][0] == "failed")
        (job,) = told.jobs.shown()
        assert job["error"] == "pull failed: ValueError; the kernel's log has more."
        told.jobs.dismiss(job["id"])
        assert told.jobs.shown() == []
        for gone in (told.jobs.again, told.jobs.dismiss):
            with pytest.raises(NotFound):
                gone(job["id"])

    run(scenario)


def test_cancelling_waits_until_the_job_has_let_go() -> None:
    async def scenario(told: Told) -> None:
        gone = False

        async def work(step: Any) -> ModelInfo:
            nonlocal gone
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                gone = True
            raise AssertionError

        told.jobs.begin("load", "m", "fp_1", "there", work)
        await asyncio.sleep(0)
        id = told.jobs.shown()[0]["id"]
        told.jobs.dismiss(id)  # not while it runs
        await told.jobs.cancel(id)
        assert gone
        assert told.jobs.shown()[0]["state"] == "cancelled"

    run(scenario)
