"""A node, as small as it comes: headless around a mock, the same inside a kernel, or with a real model.

``python -m tests.benchmarks.host mock PORT HOME UPSTREAM`` relays to the mock on port UPSTREAM;
``... model PORT HOME SLOTS`` loads the starter model. Both serve until standard input closes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from bago_jupyter import loops, timeslice
from bago_jupyter.backends import HttpBackend
from bago_jupyter.client import AsyncNodeClient
from bago_jupyter.core import Node
from bago_jupyter.launch import settle_memory
from bago_jupyter.settings import Settings

from .group import BenchError, Progress
from .processes import HOST, OUT, PROXY_CORE, child, free_port, python

STARTER = "smollm2"
LOAD_SECONDS = 120
WAITING = 4096
"""Requests that the node lets in at once: the benchmark is to find its speed, not its limits."""


@contextmanager
def node(upstream: int, *, core: int | None = PROXY_CORE) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A node in a process of its own before the mock on port ``upstream``; yields process and port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bago-bench-") as home:
        command = python("host", "mock", port, home, upstream)
        with child("node", command, core=core, ready_port=port) as process:
            yield process, port


def start(mode: str, upstream: int, port: int) -> ExitStack:
    """The same for use inside a kernel: ``thread`` or ``process``; closing the stack stops it."""
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="bago-bench-"))
        if mode == "process":
            command = python("host", "mock", port, home, upstream)
            stack.enter_context(child("node-of-kernel", command, ready_port=port))
        else:
            background = loops.background()
            stack.callback(loops.stop_background)
            running = background.run(_relaying(port, home, upstream))
            stack.callback(lambda: background.run(running.stop()))
        return stack.pop_all()


class Loaded(msgspec.Struct, kw_only=True):
    """How to reach a loaded model in two ways."""

    model: str
    node: str
    runner: str
    headers: dict[str, str]
    """What the runner wants to see of one that asks it directly."""


@contextmanager
def loaded(slots: int, progress: Progress) -> Iterator[Loaded]:
    """A node in a process of its own with the starter model loaded; its home is kept for the next time."""
    home = OUT / "home"
    answer = home / "loaded.json"
    answer.unlink(missing_ok=True)
    if not (home / "models").exists():
        progress("bringing the starter model (once, about 100 MB)")
    command = python("host", "model", free_port(), home, slots)
    with child("node-with-model", command) as process:
        deadline = time.monotonic() + LOAD_SECONDS
        while not answer.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError("the model was not loaded; see out/node-with-model.log")
            time.sleep(0.05)
        yield msgspec.json.decode(answer.read_bytes(), type=Loaded)


async def _relaying(port: int, home: str | Path, upstream: int) -> Node:
    settings = Settings.load({"home": home, "port": port, "max_queue": WAITING}, environ={})
    backend = HttpBackend("mock", f"http://{HOST}:{upstream}", ["mock"], slots=WAITING)
    return await Node(settings, place="headless", backends=[backend]).start()


async def _with_model(port: int, home: str | Path, slots: int) -> Node:
    settings = Settings.load({"home": home, "port": port, "slots": slots, "idle_unload": 0}, environ={})
    running = await Node(settings, place="headless").start()
    client = AsyncNodeClient(running.file)
    known = await client.models()
    model = known[0].id if known else (await client.pull(STARTER)).id
    await client.load(model)
    await client.close()
    runner = running.runners.get(model, "generate")
    assert runner is not None
    url = f"http://{HOST}:{running.file.port}"
    found = Loaded(model=model, node=url, runner=runner.url, headers=dict(runner.headers))
    running.home.write("loaded.json", msgspec.json.encode(found))
    return running


async def _serve(kind: str, port: str, home: str, argument: str) -> None:
    up = {"mock": _relaying, "model": _with_model}[kind]
    running = await up(int(port), home, int(argument))
    settle_memory()  # both as ``bago-jupyter serve`` does
    timeslice.shorten()
    await _until_stdin_closes()
    await running.stop()


async def _until_stdin_closes() -> None:
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()

    def watch() -> None:
        while os.read(0, 1024):
            pass
        loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=watch, daemon=True).start()
    await closed.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loops.loop_factory()) as runner:
        runner.run(_serve(*sys.argv[1:]))
