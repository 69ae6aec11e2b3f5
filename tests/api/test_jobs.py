"""The stream of a job says how it ended, whatever ends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec
import pytest

from bago_jupyter.api.jobs import stream
from bago_jupyter.wire import JobEvent, ModelInfo, Progress


def test_a_mistake_in_a_job_is_its_last_event(caplog: pytest.LogCaptureFixture) -> None:
    async def job(progress: Callable[[Progress], None]) -> ModelInfo:
        progress(Progress(stage="downloading"))
        raise TypeError("odd")

    async def run() -> list[JobEvent]:
        chunks = [bytes(chunk) async for chunk in stream(job).body_iterator]  # type: ignore[arg-type]
        return [msgspec.json.decode(chunk.removeprefix(b"data: "), type=JobEvent) for chunk in chunks]

    with caplog.at_level(logging.ERROR, "bago.api"):
        first, last = asyncio.run(run())
    assert first.progress is not None
    assert last.error is not None and last.error.code == "internal_error"
    assert last.error.message == "The node made a mistake; its log says more."
    assert "TypeError: odd" in caplog.text
