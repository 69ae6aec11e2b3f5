"""Keeps one model loaded for one task: loads it once for all who wait, and again after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import msgspec

from ..errors import LoadFailed
from ..wire import RunnerInfo
from .modelfile import ModelFile
from .runner import Runner
from .spec import RunnerSpec

log = logging.getLogger("bago.runner")


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds, together so that tests can shrink them."""

    backoff: float = 0.25
    """Wait before the first restart; each further one doubles it."""
    backoff_max: float = 30.0
    well: float = 60.0
    """A runner that was ready this long ran well: the next wait is the first one again."""
    idle_check: float = 5.0
    """Between two looks for idle runners."""
    attempts: int = 5
    """Restarts in a row that may fail before the model is given up."""


class Supervisor:
    """Belongs to one loop. ``runner`` is the ready runner, or ``None``."""

    def __init__(
        self,
        model: ModelFile,
        spec: RunnerSpec,
        make: Callable[[Callable[[Runner], None]], Runner],
        publish: Callable[[RunnerInfo], None],
        times: Times,
    ):
        self.model = model
        self.spec = spec
        """As wanted; each start gets a key of its own."""
        self.runner: Runner | None = None
        self.in_use = 0
        self.last_used = time.monotonic()
        self.failure: str | None = None
        self._make = make
        self._publish = publish
        self._times = times
        self._current: Runner | None = None
        self._restarts = 0
        self._news = asyncio.Event()
        self._info: RunnerInfo | None = None
        self._unused = asyncio.Event()
        self._unused.set()
        self._task = asyncio.create_task(self._run())

    @property
    def info(self) -> RunnerInfo | None:
        """The last published state; ``None`` before there was any."""
        return self._info

    @property
    def loading(self) -> bool:
        return self.runner is None and self.failure is None

    @property
    def idle(self) -> bool:
        return self.runner is not None and self.in_use == 0

    def borrow(self) -> None:
        """A request goes to the runner; :meth:`give_back` is called when it has ended."""
        self.in_use += 1
        self._unused.clear()

    def give_back(self) -> None:
        self.in_use -= 1
        self.last_used = time.monotonic()
        if not self.in_use:
            self._unused.set()

    def abandon(self) -> None:
        """Whoever waits for :meth:`unused` waits no longer."""
        self._unused.set()

    async def unused(self) -> None:
        """Return when no request is answered by the runner any more."""
        await self._unused.wait()

    async def ready(self, told: Callable[[RunnerInfo], None] | None = None) -> Runner:
        """The ready runner; waits for a load or restart under way and tells each step of it.

        Raises :class:`LoadFailed`. Cancelling the caller leaves the load alone.
        """
        seen = None
        while True:
            if self._info is not None and self._info is not seen and told is not None:
                told(self._info)
                seen = self._info
            if self.runner is not None:
                self.last_used = time.monotonic()
                return self.runner
            if self.failure is not None:
                raise LoadFailed(self.failure)
            await self._news.wait()

    async def stop(self) -> None:
        """End the runner and the restarts; callers that still wait get :class:`LoadFailed`."""
        if self.runner is None and self.failure is None:
            self.failure = f"{self.model.id} was unloaded before it was ready."
        self.runner = None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._wake()

    async def _run(self) -> None:
        try:
            await self._keep()
        finally:
            if self._current is not None:
                await self._current.stop()

    async def _keep(self) -> None:
        delay = self._times.backoff
        failures = 0
        while True:
            self._current = runner = self._make(self._changed)
            try:
                await runner.start()
            except LoadFailed as error:
                failures += 1
                if self._restarts == 0 or failures >= self._times.attempts:
                    self._give_up(error.message)
                    return
                reason = error.message
            except Exception as error:
                log.exception("Could not start a runner of %s", self.model.id)
                self._give_up(f"{self.model.id} could not be loaded: {error}.")
                return
            else:
                failures = 0
                self.runner = runner
                self.last_used = started = time.monotonic()
                self._wake()
                await runner.ended.wait()
                self.runner = None
                await runner.stop()
                reason = runner.info.error or ""
                if time.monotonic() - started >= self._times.well:
                    delay = self._times.backoff
            self._restarts += 1
            self._tell(state="backoff", error=reason, url=None, pid=None, progress=None)
            await asyncio.sleep(delay)
            delay = min(delay * 2, self._times.backoff_max)

    def _give_up(self, message: str) -> None:
        self.failure = message
        self._tell(state="failed", error=message, url=None, pid=None, progress=None)

    def _changed(self, runner: Runner) -> None:
        if runner.info.state == "failed":
            return  # whether it is tried again is decided, and told, by _run
        if runner.info.state != "ready" and self.runner is runner:
            self.runner = None
        self._info = msgspec.structs.replace(runner.info, restarts=self._restarts)
        if runner.info.state != "ready":
            self._wake()
        self._publish(self._info)

    def _tell(self, **changes: object) -> None:
        base = self._info
        if base is None:
            base = RunnerInfo(
                model=self.model.id, task=self.spec.task, state="failed", engine=self.model.engine
            )
        self._info = msgspec.structs.replace(base, restarts=self._restarts, **changes)
        self._wake()
        self._publish(self._info)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
