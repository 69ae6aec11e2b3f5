"""The meter on this real machine; NVIDIA's library is told, since few machines of tests have a GPU."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import msgspec
import psutil
import pytest

from bago_jupyter import resources, wire
from bago_jupyter.resources import Meter


def measure(meter: Meter) -> Any:
    return asyncio.run(meter.fresh())


def test_memory_is_what_the_machine_has() -> None:
    found = measure(Meter())
    assert found.memory_total == psutil.virtual_memory().total
    assert 0 < found.memory_used < found.memory_total
    assert found.cores == psutil.cpu_count()


def test_a_busy_core_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "FRESH", 0.0)
    meter = Meter()
    end = time.monotonic() + 0.4
    while time.monotonic() < end:  # at least this core works meanwhile
        pass
    found = measure(meter)
    assert found.cpu is not None
    assert 0.3 / psutil.cpu_count() < found.cpu <= 1


def test_who_asks_often_gets_one_sample_and_nobody_waits() -> None:
    async def ask() -> None:
        meter, loop_thread, where = Meter(), threading.get_ident(), []
        told, go = meter._measure, threading.Event()

        def slow() -> Any:
            where.append(threading.get_ident())
            assert go.wait(30), "somebody waited for it"
            return told()

        meter._measure = slow  # type: ignore[method-assign]
        assert [meter.look() for _ in range(100)] == [None] * 100
        go.set()
        first = await meter.fresh()
        assert first is not None and meter.look() is first and await meter.fresh() is first
        assert len(where) == 1 and where[0] != loop_thread

    asyncio.run(ask())


def test_a_driver_that_hangs_costs_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "PATIENCE", 0.05)
    free = threading.Event()

    async def ask() -> None:
        meter = Meter()
        meter._gpus = lambda: free.wait(20) and None  # type: ignore[method-assign, assignment]
        assert await meter.fresh() is None
        assert await meter.fresh() is None
        free.set()
        while await meter.fresh() is None:
            await asyncio.sleep(0.01)

    asyncio.run(ask())


class Refused(Exception):
    pass


def nvml(**answers: Any) -> SimpleNamespace:
    """NVIDIA's library of a machine with one GPU."""

    def missing(handle: Any) -> Any:
        raise Refused

    questions = ("Name", "UtilizationRates", "MemoryInfo")
    made: dict[str, Any] = {f"nvmlDeviceGet{name}": answers.get(name, missing) for name in questions}
    count = answers.get("count", 1)
    return SimpleNamespace(
        **made,
        NVMLError=Refused,
        nvmlInit=answers.get("init", lambda: None),
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda index: index,
    )


def gpus(monkeypatch: pytest.MonkeyPatch, library: Any) -> Any:
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return measure(Meter()).gpus


def test_a_gpu_tells_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    library = nvml(
        Name=lambda handle: "NVIDIA H100",
        UtilizationRates=lambda handle: SimpleNamespace(gpu=37),
        MemoryInfo=lambda handle: SimpleNamespace(used=3 << 30, total=80 << 30),
    )
    (gpu,) = gpus(monkeypatch, library)
    assert (gpu.name, gpu.load, gpu.memory_used, gpu.memory_total) == ("NVIDIA H100", 0.37, 3 << 30, 80 << 30)


def test_a_gpu_that_tells_little_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    (gpu,) = gpus(monkeypatch, nvml())
    assert (gpu.name, gpu.load, gpu.memory_used) == ("GPU", None, None)


def test_a_machine_without_a_driver_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise Refused

    assert gpus(monkeypatch, nvml(init=refuse)) is None
    assert gpus(monkeypatch, None) is None, "the library is not installed"
    assert gpus(monkeypatch, nvml(count=0)) == []


@pytest.mark.parametrize("field", ["memory_used", "memory_total", "cores"])
def test_what_a_peer_says_it_has_can_be_shown(field: str) -> None:
    huge = b'{"%s":1%s}' % (field.encode(), b"0" * 400)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(huge, type=wire.Resources)
    big = msgspec.json.decode(b'{"%s":%d}' % (field.encode(), 1 << 60), type=wire.Resources)
    assert getattr(big, field) / 1 == float(1 << 60)
