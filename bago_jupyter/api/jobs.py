"""Long jobs over HTTP: progress as server-sent events, then the result or the error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from starlette.responses import StreamingResponse

from ..errors import BagoError
from ..wire import Failure, JobEvent, ModelInfo, Progress

log = logging.getLogger("bago.api")

Job = Callable[[Callable[[Progress], None]], Awaitable[ModelInfo]]

KEEP_ALIVE = 10.0
"""Seconds of silence after which a comment shows that the job still runs."""


def stream(job: Job) -> StreamingResponse:
    """Run ``job`` and stream its :class:`JobEvent`; a client that goes away cancels it."""
    return StreamingResponse(_events(job), media_type="text/event-stream")


def sse(message: object) -> bytes:
    """One SSE event."""
    return b"data: " + msgspec.json.encode(message) + b"\n\n"


async def _events(job: Job) -> AsyncIterator[bytes]:
    steps: asyncio.Queue[Progress | None] = asyncio.Queue()
    task = asyncio.ensure_future(job(steps.put_nowait))
    task.add_done_callback(lambda _: steps.put_nowait(None))
    try:
        while True:
            try:
                step = await asyncio.wait_for(steps.get(), KEEP_ALIVE)
            except TimeoutError:
                yield b": still at it\n\n"
                continue
            if step is None:
                break
            yield sse(JobEvent(progress=step))
        yield sse(_outcome(task))
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(BaseException):
                await task


def _outcome(task: asyncio.Future[ModelInfo]) -> JobEvent:
    try:
        return JobEvent(model=task.result())
    except BagoError as error:
        return JobEvent(error=failure(error))
    except asyncio.CancelledError:
        return JobEvent(error=Failure(message="The node is stopping.", code="unavailable"))
    except Exception:  # a stream that only ends looks as if the node had died
        log.exception("Failed in a job")
        return JobEvent(error=failure(BagoError("The node made a mistake; its log says more.")))


def failure(error: BagoError) -> Failure:
    """An error as a message."""
    return Failure(message=error.message, type=error.type, code=error.code, param=error.param)
