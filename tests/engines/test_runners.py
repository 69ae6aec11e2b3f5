from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from engines.making import alive, make_folder, until

from bago_jupyter.engines.modelfile import ModelFile, read_model
from bago_jupyter.engines.runner import Runner
from bago_jupyter.engines.runners import Runners
from bago_jupyter.engines.supervisor import Times
from bago_jupyter.errors import InvalidRequest, LoadFailed, Unsupported
from bago_jupyter.settings import Settings
from bago_jupyter.wire import Progress, RunnerInfo

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
QUICK = Times(backoff=0.01, backoff_max=0.05, idle_check=0.02)


class House:
    """Runners with what they published, on a small context so that they load fast."""

    def __init__(
        self, tmp_path: Path, times: Times = QUICK, memory: Callable[[], int] | None = None, **more: Any
    ):
        self.published: list[RunnerInfo] = []
        settings = Settings(home=tmp_path, context_length=512, slots=1, **more)
        options: dict[str, Any] = {} if memory is None else {"memory": memory}
        self.runners = Runners(settings, self.published.append, times=times, **options)

    def states(self) -> list[str]:
        states = [info.state for info in self.published]
        return [state for i, state in enumerate(states) if i == 0 or states[i - 1] != state]


@pytest.fixture
def model(starter_gguf: Path) -> ModelFile:
    return read_model(starter_gguf, "smollm2")


def go(house: House, test: Coroutine[Any, Any, None]) -> None:
    async def run() -> None:
        try:
            await test
        finally:
            await house.runners.stop()
            assert len(asyncio.all_tasks()) == 1
            pids = {info.pid for info in house.published if info.pid}
            assert not [pid for pid in pids if alive(pid)]

    asyncio.run(run())


def test_many_callers_one_load(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        seen: list[Progress] = []
        quitter = asyncio.create_task(house.runners.ensure(model, "generate"))
        others = [
            asyncio.create_task(house.runners.ensure(model, "generate", progress=seen.append))
            for _ in range(8)
        ]
        await until(lambda: house.published)
        quitter.cancel()
        found = await asyncio.gather(*others)
        assert quitter.cancelled() and len({runner.info.pid for runner in found}) == 1
        assert house.runners.get("smollm2", "generate") is found[0]
        assert house.runners.infos("smollm2")[0].state == "ready" and house.runners.infos("other") == []
        assert {info.pid for info in house.published} == {found[0].info.pid}
        assert seen[-1].done == 1.0 and {p.stage for p in seen} == {"loading"}
        assert house.states() == ["loading", "ready"]
        await house.runners.unload("smollm2")
        assert house.states()[-1] == "stopping" and house.runners.infos() == []

    go(house, test())


def test_a_load_whose_callers_left_goes_on(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        task = asyncio.create_task(house.runners.ensure(model, "generate"))
        await until(lambda: house.published)
        task.cancel()
        await until(lambda: house.runners.get("smollm2", "generate"))

    go(house, test())


def test_unloading_during_the_load(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        task = asyncio.create_task(house.runners.ensure(model, "generate"))
        await until(lambda: house.published)
        await house.runners.unload("smollm2")
        with pytest.raises(LoadFailed, match="was unloaded before it was ready"):
            await task

    go(house, test())


@POSIX
def test_a_crash_is_followed_by_a_restart(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        first = await house.runners.ensure(model, "generate")
        assert first.info.pid
        os.kill(first.info.pid, signal.SIGKILL)
        await until(lambda: "backoff" in house.states())
        assert house.runners.get("smollm2", "generate") is None
        waiting = next(info for info in house.published if info.state == "backoff")
        assert waiting.error == "smollm2 stopped: its process was ended by SIGKILL." and waiting.pid is None
        second = await house.runners.ensure(model, "generate")
        assert second is not first and second.headers != first.headers
        assert house.runners.infos()[0].restarts == 1 and house.runners.infos()[0].error is None
        there = httpx.AsyncHTTPTransport(uds=second.url.removeprefix("unix://"))
        async with httpx.AsyncClient(headers=second.headers, transport=there) as client:
            assert (await client.get("http://localhost/slots")).status_code == 200
        assert house.states() == ["loading", "ready", "backoff", "loading", "ready"]

    go(house, test())


@POSIX
def test_restarts_that_fail_are_given_up(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path, msgspec.structs.replace(QUICK, attempts=2))
    path = tmp_path / "copy.gguf"
    shutil.copyfile(model.path, path)
    copy = read_model(path, "copy")

    async def test() -> None:
        runner = await house.runners.ensure(copy, "generate")
        path.unlink()
        path.write_bytes(b"no model any more")
        assert runner.info.pid
        os.kill(runner.info.pid, signal.SIGKILL)
        await until(lambda: house.states()[-1] == "failed")
        assert house.states().count("backoff") == 2
        count = len(house.published)
        with pytest.raises(LoadFailed, match="copy could not be loaded"):
            await house.runners.ensure(copy, "generate", retry=False)
        assert len(house.published) == count and house.runners.infos()[0].state == "failed"
        path.unlink()
        shutil.copyfile(model.path, path)
        assert (await house.runners.ensure(copy, "generate")).ready

    go(house, test())


def test_a_first_load_that_fails_is_not_repeated(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"GGUF but not really")

    async def test() -> None:
        bad = msgspec.structs.replace(model, id="bad", path=path)
        found = await asyncio.gather(
            *[house.runners.ensure(bad, "generate") for _ in range(3)], return_exceptions=True
        )
        assert all(isinstance(error, LoadFailed) for error in found)
        assert str(found[0]).startswith("bad could not be loaded: ")
        assert house.states() == ["loading", "failed"]

    go(house, test())


def test_an_unload_whose_caller_left_goes_on(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        runner = await house.runners.ensure(model, "generate")
        task = asyncio.create_task(house.runners.unload("smollm2"))
        await until(lambda: house.states()[-1] == "stopping")
        task.cancel()
        await house.runners.stop()
        assert runner.info.pid and not alive(runner.info.pid)
        with pytest.raises(LoadFailed, match="the node is stopping"):
            await house.runners.ensure(model, "generate")

    go(house, test())


def test_options(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        first = await house.runners.ensure(model, "generate", context_length=256)
        assert first.info.context_length == 256
        assert await house.runners.ensure(model, "generate") is first
        with house.runners.lease(first), pytest.raises(InvalidRequest, match="unload it first"):
            await house.runners.ensure(model, "generate", context_length=300)
        second = await house.runners.ensure(model, "generate", context_length=300, slots=2)
        assert (second.info.context_length, second.info.slots) == (300, 2)
        for slots in (0, 257):
            with pytest.raises(InvalidRequest, match="1 to 256 slots"):
                await house.runners.ensure(model, "generate", slots=slots)
        with pytest.raises(InvalidRequest, match="GPU layers"):
            await house.runners.ensure(model, "generate", gpu_layers=-2)

    go(house, test())


def test_a_context_beyond_the_model_is_cut(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        small = msgspec.structs.replace(model, context_length=384)
        assert (await house.runners.ensure(small, "generate", context_length=9999)).info.context_length == 384

    go(house, test())


def test_what_cannot_be_loaded(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        with pytest.raises(Unsupported, match="smollm2 cannot rerank; it can generate and embed"):
            await house.runners.ensure(model, "rerank")
        folder = read_model(make_folder(tmp_path / "mlx"), "mlx")
        with pytest.raises(LoadFailed, match="No engine here runs mlx"):
            await house.runners.ensure(folder, "generate")

    go(house, test())


def test_idle_runners_are_unloaded_but_not_those_in_use(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path, idle_unload=0.1)

    async def test() -> None:
        runner = await house.runners.ensure(model, "generate")
        with house.runners.lease(runner):
            await asyncio.sleep(0.4)  # the thing that must not happen has time to
            assert house.runners.get("smollm2", "generate") is runner
        pid = runner.info.pid
        await until(lambda: not house.runners.infos() and not alive(pid or 0))

    go(house, test())


def test_room_is_made_by_the_least_recently_used(tmp_path: Path, model: ModelFile) -> None:
    free = [1 << 40]
    house = House(tmp_path, memory=lambda: free[0])

    async def test() -> None:
        ids = ("a", "b", "c")
        a, b, c = (msgspec.structs.replace(model, id=id) for id in ids)
        first = await house.runners.ensure(a, "generate")
        await house.runners.ensure(b, "generate")
        with house.runners.lease(first):
            free[0] = 0
            await house.runners.ensure(c, "generate")
        assert [house.runners.get(id, "generate") is not None for id in ids] == [True, False, True]

    go(house, test())


def test_a_load_that_takes_too_long(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path, load_timeout=0.05)

    async def test() -> None:
        with pytest.raises(LoadFailed, match=r"within 0\.05 s"):
            await house.runners.ensure(model, "generate")

    go(house, test())


@POSIX
def test_a_runner_that_ran_well_starts_over_with_short_waits(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path, Times(backoff=0.05, backoff_max=600, well=0))

    async def test() -> None:
        for _ in range(3):
            runner = await house.runners.ensure(model, "generate")
            assert runner.info.pid
            os.kill(runner.info.pid, signal.SIGKILL)
            await until(lambda runner=runner: house.runners.get("smollm2", "generate") is not runner)
        await house.runners.ensure(model, "generate")
        assert house.runners.infos()[0].restarts == 3

    go(house, test())


def test_runners_follow_the_library(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        ids = ("gone", "other", "same")
        models = {id: msgspec.structs.replace(model, id=id, stamp="1") for id in ids}
        runners = {id: await house.runners.ensure(file, "generate") for id, file in models.items()}
        give_back = house.runners.borrow(runners["other"])
        del models["gone"]
        models["other"] = msgspec.structs.replace(models["other"], stamp="2")
        models["same"] = msgspec.structs.replace(models["same"], digest="sha256:0")
        assert house.runners.follow(models) == ["gone", "other"] and house.runners.follow(models) == []
        assert [info.model for info in house.runners.infos()] == ["same"]
        await until(lambda: not alive(runners["gone"].info.pid or 0))
        assert runners["other"].ready  # it is answering
        anew = await house.runners.ensure(models["other"], "generate")
        assert anew is not runners["other"] and house.runners.get("other", "generate") is anew
        give_back()
        await until(lambda: not alive(runners["other"].info.pid or 0))
        assert anew.ready and runners["same"].ready

    go(house, test())


def test_the_end_does_not_wait_for_what_a_runner_still_answers(tmp_path: Path, model: ModelFile) -> None:
    house = House(tmp_path)

    async def test() -> None:
        house.runners.borrow(await house.runners.ensure(model, "generate"))
        assert house.runners.follow({}) == ["smollm2"]

    go(house, test())


def test_options_that_cannot_be_loaded_do_not_outlive_their_load(
    tmp_path: Path, model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path)
    start = Runner.start

    async def too_much(self: Runner) -> None:
        if self.spec.slots == 256:
            raise LoadFailed("smollm2 could not be loaded: failed to allocate buffer.")
        await start(self)

    monkeypatch.setattr(Runner, "start", too_much)

    async def test() -> None:
        with pytest.raises(LoadFailed, match="failed to allocate"):
            await house.runners.ensure(model, "generate", slots=256)
        assert [info.state for info in house.runners.infos()] == ["failed"]
        found = await asyncio.gather(
            *[house.runners.ensure(model, "generate", retry=False) for _ in range(3)]
        )
        assert len({runner.info.pid for runner in found}) == 1 and found[0].info.slots == 1

    go(house, test())
