"""All runners of a node."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
import psutil

from ..errors import InvalidRequest, LoadFailed, Unsupported
from ..settings import MOST_LAYERS, MOST_SLOTS, Settings
from ..wire import Progress, RunnerInfo
from .engine import Engine, engine_of
from .modelfile import ModelFile
from .runner import Runner
from .sockets import Sockets
from .spec import RunnerSpec
from .supervisor import Supervisor, Times

log = logging.getLogger("bago.runner")

Key = tuple[str, str]
OVERHEAD = 256 << 20
"""Bytes that a runner needs beside the weights, roughly."""


def free_memory() -> int:
    """Bytes of main memory that a new process could get without swapping."""
    return int(psutil.virtual_memory().available)


class Runners:
    """Loads and unloads models. Belongs to the node's loop; every change of a runner is published."""

    def __init__(
        self,
        settings: Settings,
        publish: Callable[[RunnerInfo], None],
        *,
        times: Times | None = None,
        memory: Callable[[], int] = free_memory,
    ):
        self._settings = settings
        self._publish = publish
        self._times = times or Times()
        self._memory = memory
        self._supervisors: dict[Key, Supervisor] = {}
        self._change = asyncio.Lock()
        self._idle_task: asyncio.Task[None] | None = None
        self._sockets = Sockets(settings.home)
        self._stopping: set[asyncio.Task[None]] = set()
        self._retired: set[Supervisor] = set()
        """Those that answer what they have begun, and nothing else."""
        self._closed = False

    async def ensure(
        self,
        model: ModelFile,
        task: str,
        *,
        context_length: int | None = None,
        gpu_layers: int | None = None,
        slots: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        retry: bool = True,
    ) -> Runner:
        """A ready runner of ``model`` for ``task``; loads it if need be, once for all who ask.

        A load goes on when those who wait for it leave. Options that are given and differ from
        those of a loaded runner load it anew, unless it is answering requests. With ``retry`` false
        a model that was given up stays so, and its reason is raised again, unless it was wanted otherwise.

        Raises :class:`LoadFailed`, :class:`Unsupported` or :class:`InvalidRequest`.
        """
        engine = self._engine(model, task)
        wanted = {"context_length": context_length, "gpu_layers": gpu_layers, "slots": slots}
        given = {name: value for name, value in wanted.items() if value is not None}
        async with self._change:
            supervisor = await self._supervisor(engine, model, task, given, retry)
        try:
            async with asyncio.timeout(self._settings.load_timeout):
                return await supervisor.ready(_reporter(progress))
        except TimeoutError:
            raise LoadFailed(
                f"{model.id} was not ready within {self._settings.load_timeout:g} s.", retry_after=5
            ) from None

    def get(self, model_id: str, task: str) -> Runner | None:
        """The runner, if it is ready."""
        supervisor = self._supervisors.get((model_id, task))
        return supervisor.runner if supervisor is not None else None

    def context_length(self, model: ModelFile) -> int:
        """Tokens of context that a request for ``model`` finds: those of its runner, or, where there is none,
        those that it would be loaded with."""
        supervisor = self._supervisors.get((model.id, model.tasks[0]))
        if supervisor is not None and supervisor.failure is None:
            runner = supervisor.runner
            return runner.info.context_length if runner is not None else supervisor.spec.context_length
        return self._length(model, self._settings.context_length)

    def infos(self, model_id: str | None = None) -> list[RunnerInfo]:
        """The state of every runner, or of those of one model; failed ones included."""
        return [
            supervisor.info
            for (id, _), supervisor in self._supervisors.items()
            if supervisor.info is not None and model_id in (None, id)
        ]

    @contextmanager
    def lease(self, runner: Runner) -> Iterator[Runner]:
        """Marks ``runner`` as in use, so that it is not unloaded for being idle."""
        give_back = self.borrow(runner)
        try:
            yield runner
        finally:
            give_back()

    def borrow(self, runner: Runner) -> Callable[[], None]:
        """The same until the function that is returned is called, once."""
        supervisor = self._supervisors.get((runner.info.model, runner.info.task))
        if supervisor is None:
            return lambda: None
        supervisor.borrow()
        return supervisor.give_back

    def follow(self, models: Mapping[str, ModelFile]) -> list[str]:
        """Let go of every runner whose file is gone, or not the one any more that it has loaded.

        What it answers is answered to the end; nothing else begins there. Returns the ids of those models.
        """
        gone = [key for key, s in self._supervisors.items() if not _same_file(s.model, models.get(key[0]))]
        for key in gone:
            supervisor = self._supervisors.pop(key)
            self._retired.add(supervisor)
            self._see_to_it(asyncio.create_task(self._retire(supervisor)))
        return list(dict.fromkeys(id for id, _ in gone))

    async def unload(self, model_id: str) -> None:
        """End every runner of the model. It does not wait for requests that are being answered."""
        async with self._change:
            await self._drop([key for key in self._supervisors if key[0] == model_id])

    async def stop(self) -> None:
        """End all runners, side by side, within 1 s. Nothing can be loaded afterwards."""
        self._closed = True
        if self._idle_task is not None:
            self._idle_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._idle_task
        await self._drop(list(self._supervisors))
        for supervisor in self._retired:
            supervisor.abandon()
        await asyncio.gather(*self._stopping)
        self._sockets.close()

    async def _supervisor(
        self, engine: Engine, model: ModelFile, task: str, given: dict[str, int], retry: bool
    ) -> Supervisor:
        key = (model.id, task)
        spec = self._spec(model, task, given)
        supervisor = self._supervisors.get(key)
        if supervisor is not None:
            if supervisor.failure is not None:
                if not retry and supervisor.spec == spec and _same_file(supervisor.model, model):
                    raise LoadFailed(supervisor.failure)
            elif all(getattr(supervisor.spec, name) == getattr(spec, name) for name in given):
                return supervisor
            elif supervisor.in_use:
                raise InvalidRequest(
                    f"{model.id} is loaded with other options and is answering requests; unload it first."
                )
            await self._drop([key])
        await self._make_room(model)
        if self._closed:
            raise LoadFailed(f"{model.id} cannot be loaded: the node is stopping.")
        supervisor = Supervisor(
            model,
            spec,
            lambda changed: self._runner(engine, model, spec, changed),
            self._publish,
            self._times,
        )
        self._supervisors[key] = supervisor
        if self._idle_task is None:
            self._idle_task = asyncio.create_task(self._unload_idle())
        return supervisor

    def _runner(
        self, engine: Engine, model: ModelFile, spec: RunnerSpec, changed: Callable[[Runner], None]
    ) -> Runner:
        spec = msgspec.structs.replace(spec, api_key=secrets.token_urlsafe(24), socket=self._sockets.new())
        return Runner(model, engine, spec, load_timeout=self._settings.load_timeout, on_change=changed)

    def _spec(self, model: ModelFile, task: str, given: dict[str, int]) -> RunnerSpec:
        settings = self._settings
        length = self._length(model, given.get("context_length", settings.context_length))
        if length < 1 or not 1 <= given.get("slots", 1) <= MOST_SLOTS:
            raise InvalidRequest(
                f"A runner needs a context of at least one token, and 1 to {MOST_SLOTS} slots."
            )
        if not -1 <= given.get("gpu_layers", 0) <= MOST_LAYERS:
            raise InvalidRequest(f"GPU layers are from -1 (as many as fit) to {MOST_LAYERS}.")
        return msgspec.convert(
            {
                "path": str(model.path),
                "task": task,
                "context_length": length,
                "slots": given.get("slots", settings.slots),
                "gpu_layers": given.get("gpu_layers", settings.gpu_layers),
                "threads": settings.threads,
                "aliases": (model.id,),
            },
            RunnerSpec,
        )

    @staticmethod
    def _length(model: ModelFile, wanted: int) -> int:
        return min(wanted, model.context_length) if model.context_length else wanted

    def _engine(self, model: ModelFile, task: str) -> Engine:
        if task not in model.tasks:
            raise Unsupported(f"{model.id} cannot {task}; it can {' and '.join(model.tasks)}.")
        engine, reason = engine_of(model)
        if engine is None:
            raise LoadFailed(reason or "")
        return engine

    async def _make_room(self, model: ModelFile) -> None:
        """Unload idle runners, least recently used first, until the model fits or none is left."""
        coming = sum(s.model.size + OVERHEAD for s in self._supervisors.values() if s.loading)
        while self._memory() - coming < model.size + OVERHEAD:
            idle = [(s.last_used, key) for key, s in self._supervisors.items() if s.idle]
            if not idle:
                log.warning("Memory is short for %s; loading it all the same", model.id)
                return
            log.info("Unloading %s to make room for %s", min(idle)[1][0], model.id)
            await self._drop([min(idle)[1]])

    async def _unload_idle(self) -> None:
        while True:
            await asyncio.sleep(self._times.idle_check)
            limit = self._settings.idle_unload
            if not limit:
                continue
            before = time.monotonic() - limit
            try:
                async with self._change:
                    await self._drop(
                        [key for key, s in self._supervisors.items() if s.idle and s.last_used < before]
                    )
            except Exception:
                log.exception("Could not unload what is idle")

    async def _drop(self, keys: list[Key]) -> None:
        tasks = [
            asyncio.create_task(self._supervisors.pop(key).stop()) for key in keys if key in self._supervisors
        ]
        for task in tasks:
            self._see_to_it(task)
        # whoever asked may leave; a runner that is half ended would be nobody's
        await asyncio.shield(asyncio.gather(*tasks))

    async def _retire(self, supervisor: Supervisor) -> None:
        await supervisor.unused()
        await supervisor.stop()
        self._retired.discard(supervisor)

    def _see_to_it(self, task: asyncio.Task[None]) -> None:
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


def _same_file(loaded: ModelFile, model: ModelFile | None) -> bool:
    return model is not None and (loaded.path, loaded.size, loaded.stamp) == (
        model.path,
        model.size,
        model.stamp,
    )


def _reporter(progress: Callable[[Progress], None] | None) -> Callable[[RunnerInfo], None] | None:
    if progress is None:
        return None

    def report(info: RunnerInfo) -> None:
        if info.state == "ready":
            progress(Progress(stage="loading", done=1.0, total=1.0, unit=""))
        elif info.state in ("starting", "loading"):
            progress(Progress(stage="loading", done=info.progress or 0.0, total=1.0, unit=""))
        elif info.state == "backoff":
            progress(Progress(stage="restarting", done=0.0, total=1.0, unit="", message=info.error))

    return report
