"""The models of this machine: runners, loaded when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import cast

import msgspec

from ..engines.engine import engine_of
from ..engines.library import Library
from ..engines.runner import Runner
from ..engines.runners import Runners
from ..engines.sockets import SCHEME
from ..errors import Unavailable, UpstreamFailed, UpstreamTimeout
from ..http1 import Response
from ..router import Offer
from ..router.shape import Task
from ..settings import Settings
from ..wire import SlotInfo
from .base import Opened, Request
from .http import Target

HUNG = 2.0
"""Seconds without an answer to ``/health`` after which a runner counts as hung."""
DEATH = 0.5
"""Seconds in which a runner that broke a connection is seen to have died, if it did."""
TASKS: dict[bytes, Task] = {b"/v1/embeddings": "embed", b"/v1/rerank": "rerank"}
"""Paths that want a runner of their own; every other generates."""


class _Slot(msgspec.Struct):
    """llama-server's ``/slots``."""

    id: int
    is_processing: bool
    n_ctx: int = 0


class LocalBackend:
    """Runners of the library's models. Belongs to the node's loop."""

    id = "local"
    kind = "local"

    def __init__(self, node: str, settings: Settings, library: Library, runners: Runners):
        self.node = node
        self._settings = settings
        self._library = library
        self._runners = runners
        self.shares: Callable[[str], bool] = lambda model: True
        """Whether peers may use a model."""
        self.draining = False
        """Whether it takes no new requests."""
        self._targets: dict[int, Target] = {}
        """By the runner's process."""

    def offers(self) -> Iterable[Offer]:
        for id, sentence in self._library.broken.items():
            yield Offer(
                backend=self.id,
                node=self.node,
                model=id,
                tasks=frozenset({"generate", "embed", "rerank"}),
                state="failed",
                reason=sentence,
                local=True,
            )
        for model in self._library.models.values():
            _, unsupported = engine_of(model)
            states = {info.state: info for info in self._runners.infos(model.id)}
            running = states.get("ready")
            failed = states.get("failed")
            yield Offer(
                backend=self.id,
                node=self.node,
                model=model.id,
                tasks=cast("frozenset[Task]", frozenset(model.tasks)),
                state="ready" if running else "failed" if unsupported else "available",
                health="disabled" if self.draining else "healthy",
                reason=unsupported
                or ("this node drains" if self.draining else failed.error if failed else None),
                context_length=self._runners.context_length(model),
                chat=model.chat_template,
                digest=model.digest,
                created=self._library.created(model.id),
                quantization=model.quantization,
                local=True,
                shared=self.shares(model.id),
                slots=running.slots if running else self._settings.slots,
            )

    @property
    def key(self) -> None:
        """Runners are this node's own: none tells of a key."""

    def begin(self, request: Request) -> Response | None:
        """Send to the model's runner now, if it is ready and a connection was kept."""
        runner = self._runners.get(request.model, TASKS.get(request.path, "generate"))
        if runner is None or runner.info.state != "ready":
            return None
        response = self._target(runner).begin(request)
        if response is not None:
            response.release = self._runners.borrow(runner)
        return response

    async def open(self, request: Request, offer: Offer, begun: Response | None = None) -> Opened:
        """Send to the model's runner, loading it first; a runner that dies before it answers is
        restarted and asked once more."""
        task = TASKS.get(request.path, "generate")
        try:
            return await self._send(request, offer.model, task, begun)
        except UpstreamTimeout:
            await self._end_if_hung(self._runners.get(offer.model, task))
            raise
        except UpstreamFailed:
            await self._death(self._runners.get(offer.model, task))
            return await self._send(request, offer.model, task)

    async def slots(self, model_id: str) -> list[SlotInfo]:
        """What the model's runners say of their slots. Raises :class:`UpstreamFailed`."""
        found = []
        for info in self._runners.infos(model_id):
            runner = self._runners.get(model_id, info.task)
            if runner is not None:
                exchange = await self._target(runner).get("/slots")
                slots = msgspec.json.decode(await exchange.read_all(), type=list[_Slot])
                found += [
                    SlotInfo(id=slot.id, busy=slot.is_processing, task=info.task, context_length=slot.n_ctx)
                    for slot in slots
                ]
        return found

    async def close(self) -> None:
        for target in self._targets.values():
            target.pool.close()

    @staticmethod
    def _drop(begun: Response) -> None:
        begun.close()
        if begun.release is not None:
            begun.release()

    @staticmethod
    async def _death(runner: Runner | None) -> None:
        """A broken connection is known before the death of the process behind it."""
        if runner is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(DEATH):
                    await runner.ended.wait()

    async def _end_if_hung(self, runner: Runner | None) -> None:
        """A runner that does not even say that it is well is ended, so that a new one takes its place."""
        if runner is None:
            return
        try:
            (await self._target(runner).get("/health", HUNG)).close()
        except UpstreamFailed:
            runner.kill()

    async def _send(
        self, request: Request, model_id: str, task: str, begun: Response | None = None
    ) -> Opened:
        runner = self._runners.get(model_id, task)
        if runner is None or runner.info.state != "ready":
            if begun is not None:  # it ended since
                self._drop(begun)
                begun = None
            if not self._settings.autoload and runner is None:
                raise Unavailable(f"{model_id} is not loaded, and this node loads none by itself.")
            runner = await self._runners.ensure(self._library.get(model_id), task, retry=False)
        release = (begun.release if begun is not None else None) or self._runners.borrow(runner)
        try:
            response = await self._target(runner).send(request, begun)
        except BaseException:
            release()
            raise
        return Opened(response, release)

    def _target(self, runner: Runner) -> Target:
        pid = runner.info.pid or 0
        target = self._targets.get(pid)
        if target is None:
            live = {info.pid for info in self._runners.infos()}
            for old in [known for known in self._targets if known not in live]:
                self._targets.pop(old).pool.close_idle()  # one that was let go may answer yet
            target = self._targets[pid] = _target(runner)
        return target


def _target(runner: Runner) -> Target:
    if runner.url.startswith(SCHEME):
        return Target("http://localhost", runner.headers, socket=runner.url.removeprefix(SCHEME))
    return Target(runner.url, runner.headers)
