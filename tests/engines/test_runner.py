from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uvloop
from engines.making import alive, until

from bago_jupyter.engines.llama_cpp import LlamaCpp
from bago_jupyter.engines.modelfile import read_model
from bago_jupyter.engines.runner import Runner
from bago_jupyter.engines.sockets import Sockets
from bago_jupyter.engines.spec import RunnerSpec
from bago_jupyter.errors import LoadFailed

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def make(path: Path, **options: Any) -> Runner:
    load_timeout = options.pop("load_timeout", 120.0)
    fields: dict[str, Any] = {
        "context_length": 512,
        "slots": 2,
        "aliases": ("smollm2",),
        "api_key": "hunter2",
    }
    spec = RunnerSpec(path=str(path), **(fields | options))
    return Runner(read_model(path, "smollm2"), LlamaCpp(), spec, load_timeout=load_timeout)


@asynccontextmanager
async def running(runner: Runner) -> AsyncIterator[httpx.AsyncClient]:
    await runner.start()
    try:
        async with httpx.AsyncClient(base_url=runner.url, headers=runner.headers, timeout=60) as client:
            yield client
    finally:
        await runner.stop()


def test_it_answers(starter_gguf: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bago.runner")

    async def run() -> None:
        runner = make(starter_gguf)
        states: list[str] = []
        runner.on_change = lambda runner: states.append(runner.info.state)
        async with running(runner) as client:
            pid = runner.info.pid
            assert pid is not None and runner.ready
            slots = (await client.get("/slots")).json()
            assert [slot["n_ctx"] for slot in slots] == [512, 512] and runner.info.slots == 2
            asked = {"model": "smollm2", "messages": [{"role": "user", "content": "Hi"}]}
            answer = await client.post(
                "/v1/chat/completions", json={**asked, "max_tokens": 4, "temperature": 0}
            )
            assert answer.json()["choices"][0]["message"]["content"]
            async with httpx.AsyncClient() as stranger:
                assert (await stranger.get(f"{runner.url}/slots")).status_code == 401
            secrets = " ".join(psutil.Process(pid).cmdline()) + repr(psutil.Process(pid).environ())
            assert "hunter2" not in secrets + repr(runner) + repr(runner.info)
            assert os.getsid(pid) == pid
        assert not alive(pid) and states[0] == "loading" and states[-1] == "stopping" and "ready" in states
        assert any("model loaded" in line for line in runner.stderr)
        assert "hunter2" not in caplog.text and "model loaded" in caplog.text

    asyncio.run(run())


@pytest.mark.parametrize("factory", LOOPS)
def test_stopping_leaves_nothing(starter_gguf: Path, factory: Any) -> None:
    async def run() -> None:
        runner = make(starter_gguf)
        await runner.start()
        await runner.stop()
        await runner.stop()
        assert runner.info.pid and not alive(runner.info.pid)
        assert len(asyncio.all_tasks()) == 1

    with asyncio.Runner(loop_factory=factory) as loop:
        loop.run(run())


@pytest.mark.parametrize("task", ["embed", "rerank"])
def test_other_tasks(starter_gguf: Path, task: str) -> None:
    async def run() -> None:
        async with running(make(starter_gguf, task=task, slots=1)) as client:
            if task == "embed":
                answer = await client.post("/v1/embeddings", json={"model": "m", "input": ["one", "two"]})
                first, second = (item["embedding"] for item in answer.json()["data"])
                assert len(first) == 576 and first != second and any(first)
            else:
                documents = {"query": "a", "documents": ["a", "b"]}
                answer = await client.post("/v1/rerank", json=documents)
                assert len(answer.json()["results"]) == 2

    asyncio.run(run())


def test_a_corrupt_model_gives_a_reason(starter_gguf: Path, tmp_path: Path) -> None:
    async def run() -> None:
        runner = make(starter_gguf)
        half = tmp_path / "half.gguf"
        with starter_gguf.open("rb") as file:
            half.write_bytes(file.read(40_000_000))
        runner.spec = RunnerSpec(path=str(half))
        with pytest.raises(
            LoadFailed, match=r"smollm2 could not be loaded: tensor .* is not within the file"
        ):
            await runner.start()
        assert runner.info.state == "failed" and runner.info.pid and not alive(runner.info.pid)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


@POSIX
def test_a_killed_child_is_told(starter_gguf: Path) -> None:
    async def run() -> None:
        runner = make(starter_gguf)
        ends: list[Runner] = []
        runner.on_exit = ends.append
        await runner.start()
        assert runner.info.pid
        os.kill(runner.info.pid, signal.SIGKILL)
        await until(lambda: ends)
        assert ends == [runner] and runner.info.error == "smollm2 stopped: its process was ended by SIGKILL."
        await runner.stop()

    asyncio.run(run())


def test_a_load_can_time_out_and_be_cancelled(starter_gguf: Path) -> None:
    async def run() -> None:
        runner = make(starter_gguf, load_timeout=0.05)
        with pytest.raises(LoadFailed, match=r"not ready within 0\.05 s"):
            await runner.start()
        other = make(starter_gguf)
        task = asyncio.create_task(other.start())
        await until(lambda: other.info.state == "loading")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for each in (runner, other):
            assert each.info.pid and not alive(each.info.pid)

    asyncio.run(run())


def test_a_child_that_cannot_be_started(starter_gguf: Path) -> None:
    class Broken(LlamaCpp):
        def command(self, spec: RunnerSpec) -> list[str]:
            return ["/nowhere/python"]

        def explain(self, stderr: Sequence[str]) -> str | None:
            return None

    async def run() -> None:
        runner = Runner(read_model(starter_gguf, "m"), Broken(), RunnerSpec(path=str(starter_gguf)))
        with pytest.raises(LoadFailed, match="its process cannot be started"):
            await runner.start()

    asyncio.run(run())


PARENT = """
import asyncio, sys, uvloop
from pathlib import Path
from bago_jupyter.engines.llama_cpp import LlamaCpp
from bago_jupyter.engines.modelfile import read_model
from bago_jupyter.engines.runner import Runner
from bago_jupyter.engines.spec import RunnerSpec

path, when = Path(sys.argv[1]), sys.argv[2]

async def main():
    runner = Runner(read_model(path, "m"), LlamaCpp(), RunnerSpec(path=str(path), context_length=512))
    task = asyncio.create_task(runner.start())
    while when == "load" and not any("loading model" in line for line in runner.stderr):
        await asyncio.sleep(0.001)
    if when == "ready":
        await task
    print(runner.info.pid, flush=True)
    await asyncio.sleep(600)

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
    loop.run(main())
"""


@POSIX
@pytest.mark.parametrize("when", ["load", "ready"])
def test_a_killed_parent_leaves_nothing(starter_gguf: Path, when: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(starter_gguf), when], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        parent.wait()
        asyncio.run(until(lambda: not alive(pid)))


def test_a_core_is_left_to_the_cells_unless_threads_are_set(starter_gguf: Path) -> None:
    from bago_jupyter.engines.llama_server import parameters, spare_cores

    assert 1 <= spare_cores() <= max(1, (os.cpu_count() or 1) - 1)
    params = parameters(RunnerSpec(path=str(starter_gguf)))
    assert params.cpuparams.n_threads == params.cpuparams_batch.n_threads == spare_cores()
    assert parameters(RunnerSpec(path=str(starter_gguf), threads=3)).cpuparams.n_threads == 3


@POSIX
def test_it_listens_on_a_socket_and_knows_no_keys(
    starter_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BAGO_API_KEY", "OPENAI_API_KEY", "MY_OWN_UPSTREAM"):
        monkeypatch.setenv(name, "hunter3")

    async def run() -> None:
        path = Sockets(tmp_path).new()
        runner = make(starter_gguf, socket=path)
        await runner.start()
        pid = runner.info.pid
        assert pid and runner.url == f"unix://{path}"
        process = psutil.Process(pid)
        assert "hunter3" not in repr(process.environ()) and process.environ()["PATH"]
        assert not [each for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN]
        there = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(base_url="http://localhost", transport=there, timeout=60) as client:
            assert (await client.get("/slots")).status_code == 401
            assert (await client.get("/slots", headers=runner.headers)).status_code == 200
        await runner.stop()

    asyncio.run(run())
    assert not list(tmp_path.rglob("*.sock"))
