"""How busy this machine is: processor and memory by psutil, NVIDIA's GPUs by NVML where it is installed.

Other GPUs are not asked: there is no library for them that needs neither a compiler nor root.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from typing import Any

import psutil

from .wire import GpuInfo, Resources

log = logging.getLogger("bago.node")

FRESH = 2.0
"""Seconds for which a sample is good."""
PATIENCE = 0.3
"""Seconds that :meth:`Meter.fresh` waits for a sample at most; a driver may take its time."""


class Meter:
    """Samples the machine when somebody asks, in a thread, and at most each :data:`FRESH` seconds.

    Belongs to the node's loop.
    """

    def __init__(self) -> None:
        self._latest: Resources | None = None
        self._at = float("-inf")
        self._sampling: asyncio.Future[None] | None = None
        self._times = _times()
        self._nvml: Any = None
        self._asked_nvml = False

    def look(self) -> Resources | None:
        """The latest sample, at once; a new one is taken where it is not fresh."""
        if self._sampling is None and time.monotonic() - self._at >= FRESH:
            loop = asyncio.get_running_loop()
            done = self._sampling = loop.create_future()
            try:
                # A daemon, since a driver that hangs must not keep the process from ending.
                threading.Thread(
                    target=self._sample, args=(loop, done), name="bago-meter", daemon=True
                ).start()
            except RuntimeError:  # the interpreter ends
                self._sampling = None
        return self._latest

    async def fresh(self) -> Resources | None:
        """A fresh sample, or the latest where that takes too long."""
        self.look()
        if self._sampling is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._sampling), PATIENCE)
        return self._latest

    def _sample(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[None]) -> None:
        found: Resources | None = None
        try:
            found = self._measure()
        except Exception:
            log.debug("the machine cannot be measured", exc_info=True)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._take, found, done)

    def _take(self, found: Resources | None, done: asyncio.Future[None]) -> None:
        self._latest, self._at, self._sampling = found, time.monotonic(), None
        if not done.done():
            done.set_result(None)

    # In the thread, one at a time.

    def _measure(self) -> Resources:
        before, self._times = self._times, _times()
        busy, total = (now - then for now, then in zip(self._times, before, strict=True))
        memory = psutil.virtual_memory()
        return Resources(
            cpu=round(min(1.0, max(0.0, busy / total)), 4) if total > 0 else None,
            cores=psutil.cpu_count(),
            memory_used=max(0, memory.total - memory.available),
            memory_total=memory.total,
            gpus=self._gpus(),
        )

    def _gpus(self) -> list[GpuInfo] | None:
        if not self._asked_nvml:
            self._asked_nvml, self._nvml = True, _open_nvml()
        nvml = self._nvml
        if nvml is None:
            return None
        handles = (nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount()))
        return [_gpu(nvml, handle) for handle in handles][:64]


def _times() -> tuple[float, float]:
    """Seconds that all cores were busy, and that they had, since the machine started."""
    times = psutil.cpu_times()
    # Linux counts guests twice.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _open_nvml() -> Any:
    """NVIDIA's library, where its Python side and the driver are there."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        log.debug("no NVIDIA GPU can be asked: %s", error)
        return None
    return pynvml


def _gpu(nvml: Any, handle: Any) -> GpuInfo:
    def ask(question: Any) -> Any:
        try:
            return question(handle)
        except nvml.NVMLError:  # a part of a GPU, or one that shares the main memory, tells less
            return None

    name = ask(nvml.nvmlDeviceGetName)
    load, memory = ask(nvml.nvmlDeviceGetUtilizationRates), ask(nvml.nvmlDeviceGetMemoryInfo)
    return GpuInfo(
        name=(name.decode() if isinstance(name, bytes) else str(name or "GPU"))[:128],
        load=min(1.0, load.gpu / 100) if load is not None else None,
        memory_used=memory.used if memory is not None else None,
        memory_total=memory.total if memory is not None else None,
    )
