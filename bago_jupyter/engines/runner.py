"""One child process that holds one loaded model."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil

from ..errors import LoadFailed
from ..wire import RunnerInfo
from .engine import Engine
from .environment import of_runner
from .modelfile import ModelFile
from .spec import RunnerSpec

log = logging.getLogger("bago.runner")

State = Literal["starting", "loading", "ready", "backoff", "stopping", "failed"]
TAIL = 50
"""Lines of the child's stderr that are kept."""
GRACE = 0.3
"""Seconds between asking a child to end and making it."""
LOOK = 0.25
"""Seconds between two looks at how much of the model is in memory."""
PACKAGE_ROOT = Path(__file__).parents[2]


class _Event(msgspec.Struct):
    event: str
    url: str | None = None
    message: str | None = None
    value: float | None = None
    context_length: int | None = None
    slots: int | None = None


class Runner:
    """A child process, from its start to its end; it is never started again.

    Belongs to the loop that starts it. ``on_change`` is called at each change of ``info``, and
    ``on_exit`` once, when the child of a *ready* runner ends without having been asked to.
    """

    def __init__(
        self,
        model: ModelFile,
        engine: Engine,
        spec: RunnerSpec,
        *,
        load_timeout: float = 300.0,
        on_change: Callable[[Runner], None] | None = None,
        on_exit: Callable[[Runner], None] | None = None,
    ):
        self.model = model
        self.engine = engine
        self.spec = spec
        self.on_change = on_change
        self.on_exit = on_exit
        self.stderr: collections.deque[str] = collections.deque(maxlen=TAIL)
        self.ended = asyncio.Event()
        self._load_timeout = load_timeout
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ready: asyncio.Future[None] | None = None
        self._told: str | None = None
        self.info = RunnerInfo(
            model=model.id,
            task=spec.task,
            state="starting",
            engine=engine.name,
            slots=spec.slots,
            context_length=spec.context_length,
        )

    def __repr__(self) -> str:
        return f"Runner({self.info.model}, {self.info.task}, {self.info.state}, pid={self.info.pid})"

    @property
    def url(self) -> str:
        """Where the ready child listens: ``http://127.0.0.1:port``, or ``unix://`` and a path."""
        assert self.info.url is not None
        return self.info.url

    @property
    def headers(self) -> dict[str, str]:
        """What a request to it must carry."""
        return {"authorization": f"Bearer {self.spec.api_key}"} if self.spec.api_key else {}

    @property
    def ready(self) -> bool:
        return self.info.state == "ready"

    async def start(self) -> None:
        """Start the child and wait until it is ready. Raises :class:`LoadFailed` with the reason.

        A cancelled or failed start leaves no process.
        """
        try:
            async with asyncio.timeout(self._load_timeout):
                await self._spawn()
                assert self._ready is not None
                await self._ready
        except TimeoutError:
            await self.stop()
            self._fail(f"it was not ready within {self._load_timeout:g} s")
        except OSError as error:
            await self.stop()
            self._fail(f"its process cannot be started ({error.strerror or error})")
        except BaseException:
            await self.stop()
            raise

    def kill(self) -> None:
        """End the child at once, as a crash would; whoever supervises it starts another."""
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    async def stop(self) -> None:
        """End the child: its stdin is closed, then SIGTERM, then SIGKILL. Takes at most 1 s."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            self._change(state="stopping", progress=None)
            if process.stdin is not None:
                process.stdin.close()
            for how in (None, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
                if how is not None:
                    self._signal(how)
                # not self.ended: the task that sets it may have been cancelled with all others
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), GRACE)
                    break
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._unlink()

    def reason(self) -> str:
        """Why the child ended or could not load, as part of a sentence."""
        explained = self.engine.explain(list(self.stderr))
        if explained is not None:
            return explained
        if self._told:
            return self._told.rstrip(".")
        code = self._process.returncode if self._process else None
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with status {code}"

    async def _spawn(self) -> None:
        environment = of_runner()
        path = [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
        environment["PYTHONPATH"] = os.pathsep.join([*path, str(PACKAGE_ROOT)])
        options: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}
        self._ready = asyncio.get_running_loop().create_future()
        self._process = process = await asyncio.create_subprocess_exec(
            *self.engine.command(self.spec),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            **options,
        )
        self._change(state="loading", pid=process.pid, progress=0.0)
        readers = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_stderr())]
        self._tasks = [
            *readers,
            asyncio.create_task(self._await_end(readers)),
            asyncio.create_task(self._watch_load(process.pid)),
        ]
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it ended already: the end is told by _await_end
            process.stdin.write(msgspec.json.encode(self.spec) + b"\n")
            await process.stdin.drain()

    async def _read_events(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                event = msgspec.json.decode(line, type=_Event)
            except msgspec.MsgspecError:
                continue
            if event.event == "error":
                self._told = event.message
            elif event.event == "progress" and event.value is not None:
                self._change(progress=event.value)
            elif event.event == "ready" and event.url is not None:
                self._change(
                    state="ready",
                    url=event.url,
                    progress=None,
                    loaded_at=time.time(),
                    context_length=event.context_length or self.info.context_length,
                    slots=event.slots or self.info.slots,
                )
                self._settle(None)

    async def _read_stderr(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        stream = self._process.stderr
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                continue  # a line beyond the limit of the reader, which has dropped it
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip()
            self.stderr.append(text)
            log.debug("%s: %s", self.info.model, text)

    async def _watch_load(self, pid: int) -> None:
        """Estimate the progress by the memory that has filled: the engine itself tells nothing."""
        base = None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            while self.info.state == "loading":
                used = process.memory_info().rss
                base = used if base is None else base
                share = min(0.99, max(0.0, (used - base) / max(1, self.model.size)))
                if share > (self.info.progress or 0.0):
                    self._change(progress=share)
                await asyncio.sleep(LOOK)

    async def _await_end(self, readers: list[asyncio.Task[None]]) -> None:
        assert self._process is not None
        await self._process.wait()
        # what it wrote last says why it ended; a grandchild may keep the pipes open, so not for ever
        await asyncio.wait(readers, timeout=GRACE / 2)
        was_ready = self.ready
        self._unlink()
        self.ended.set()
        self._settle(LoadFailed(self._sentence(self.reason())))
        if was_ready:
            self._change(state="failed", error=self._sentence(self.reason()), url=None)
            log.warning("The runner of %s ended: %s", self.info.model, self.reason())
            if self.on_exit is not None:
                self.on_exit(self)
        elif self.info.state == "loading":
            self._change(state="failed", progress=None, error=self._sentence(self.reason()))

    def _settle(self, error: LoadFailed | None) -> None:
        if self._ready is not None and not self._ready.done():
            if error is None:
                self._ready.set_result(None)
            else:
                self._ready.set_exception(error)
                self._ready.exception()  # counts as seen, also when start() was cancelled

    def _sentence(self, reason: str) -> str:
        verb = "stopped" if self.info.loaded_at else "could not be loaded"
        return f"{self.info.model} {verb}: {reason}."

    def _fail(self, reason: str) -> None:
        self._change(state="failed", error=self._sentence(reason), progress=None)
        raise LoadFailed(self._sentence(reason)) from None

    def _unlink(self) -> None:
        if self.spec.socket:
            Path(self.spec.socket).unlink(missing_ok=True)

    def _signal(self, number: int) -> None:
        process = self._process
        assert process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                process.send_signal(number)
            else:
                os.killpg(process.pid, number)

    def _change(self, **changes: Any) -> None:
        self.info = msgspec.structs.replace(self.info, **changes)
        if self.on_change is not None:
            self.on_change(self)
