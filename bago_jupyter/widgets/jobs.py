"""Pulls and loads that a view has begun: how far each is, and how it ended."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from ..errors import BagoError, NotFound, PullCancelled
from ..wire import ModelInfo, Progress

Kind = Literal["pull", "load"]
Work = Callable[[Callable[[Progress], None]], Awaitable[ModelInfo]]
"""Does the job; it is given what to call with each step."""
FRAME = 0.1
"""Seconds between two reports of progress, at least."""
_log = logging.getLogger(__name__)


class Job:
    """One pull or load. Belongs to the background loop."""

    def __init__(self, id: int, kind: Kind, what: str, on: str, node: str, work: Work, name: str | None):
        self.id = id
        self.kind = kind
        self.what = what
        """A model, or a source without what may be secret in it."""
        self.on = on
        """Fingerprint of the peer that does it; empty is this node."""
        self.node = node
        self.work = work
        self.name = name
        """The id that a pulled model is to have, if one was given."""
        self.state: Literal["running", "failed", "cancelled", "done"] = "running"
        self.progress: Progress | None = None
        self.error: str | None = None
        self.task: asyncio.Task[None] | None = None

    def shown(self) -> dict[str, Any]:
        """As JSON values; no secret."""
        step = self.progress
        return {
            "id": self.id,
            "kind": self.kind,
            "what": self.what,
            "name": self.name,
            "on": self.on,
            "node": self.node,
            "state": self.state,
            "stage": None if step is None else step.stage,
            "done": 0 if step is None else step.done,
            "total": None if step is None else step.total,
            "unit": "B" if step is None else step.unit,
            "message": None if step is None else step.message,
            "error": self.error,
            "by": None,
        }


class Jobs:
    """The jobs of one view. Belongs to the background loop.

    ``moved`` is called at most once a frame while jobs make progress, ``changed`` when one begins or ends,
    with the model if it ended well. Those that ended well are forgotten, the others are kept until they
    are dismissed.
    """

    def __init__(self, moved: Callable[[], None], changed: Callable[[Job, ModelInfo | None], None]):
        self._jobs: dict[int, Job] = {}
        self._ids = itertools.count(1)
        self._moved = moved
        self._changed = changed
        self._due: asyncio.TimerHandle | None = None

    def begin(
        self, kind: Kind, what: str, on: str, node: str, work: Work, *, name: str | None = None
    ) -> None:
        """Start a job in place of one that did not end well before."""
        for old in list(self._jobs.values()):
            if (old.kind, old.what, old.on) == (kind, what, on) and old.state != "running":
                del self._jobs[old.id]
        job = Job(next(self._ids), kind, what, on, node, work, name)
        self._jobs[job.id] = job
        self._start(job)

    def again(self, id: int) -> None:
        """Try a job again that failed or was cancelled; a pull goes on where it ended."""
        job = self._get(id)
        if job.state != "running":
            self._start(job)

    async def cancel(self, id: int) -> Job:
        """End a job; returns when it has let go."""
        job = self._get(id)
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.wait([job.task])
        return job

    def dismiss(self, id: int) -> None:
        """Forget a job that has ended."""
        job = self._get(id)
        if job.state != "running":
            del self._jobs[id]

    def close(self) -> None:
        """End all jobs without a word."""
        for job in self._jobs.values():
            if job.task is not None:
                job.task.cancel()

    def shown(self) -> list[dict[str, Any]]:
        """All jobs as JSON values."""
        return [job.shown() for job in self._jobs.values()]

    def _get(self, id: Any) -> Job:
        job = self._jobs.get(id) if isinstance(id, int) else None
        if job is None:
            raise NotFound("That job is over.")
        return job

    def _start(self, job: Job) -> None:
        job.state, job.error, job.progress = "running", None, None
        job.task = asyncio.create_task(self._run(job), name=f"{job.kind} {job.what}")
        self._changed(job, None)

    async def _run(self, job: Job) -> None:
        def step(progress: Progress) -> None:
            job.progress = progress
            if self._due is None:
                self._due = asyncio.get_running_loop().call_later(FRAME, self._report)

        model = None
        try:
            model = await job.work(step)
            job.state = "done"
            self._jobs.pop(job.id, None)
        except (asyncio.CancelledError, PullCancelled):
            job.state = "cancelled"
        except BagoError as error:
            job.state, job.error = "failed", error.message
        except Exception as error:
            _log.exception("%s of %s failed", job.kind, job.what)
            job.state = "failed"
            job.error = f"{job.kind} failed: {type(error).__name__}; the kernel's log has more."
        self._changed(job, model)

    def _report(self) -> None:
        self._due = None
        self._moved()
