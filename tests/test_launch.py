"""Where a node lives: the same tests over a thread, the kernel's own loop and a child process."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from headless import until
from kernels import Kernel

from bago_jupyter.client import NodeClient
from bago_jupyter.state import Home
from bago_jupyter.wire import NodeFile

PLACES = ("thread", "kernel", "process")
PATCH = "import nest_asyncio2; nest_asyncio2.apply()"
LOAD = "%load_ext bago_jupyter"
CHAT = {"model": "smol", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def refused(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def home(tmp_path: Path, starter_gguf: Path) -> Path:
    """A home whose library has the starter."""
    (tmp_path / "home" / "models").mkdir(parents=True)
    (tmp_path / "home" / "models" / "smol.gguf").symlink_to(starter_gguf)
    return tmp_path / "home"


@pytest.fixture
def kernels(home: Path) -> Iterator[Callable[[], Kernel]]:
    made: list[Kernel] = []

    def make() -> Kernel:
        made.append(Kernel(home))
        made[-1].must(LOAD)
        return made[-1]

    yield make
    for kernel in made:
        kernel.close()


def bring_up(kernel: Kernel, place: str, options: str = "") -> NodeFile:
    if place == "kernel":
        kernel.must(PATCH)
    kernel.must(f"%bago up --in {place} --name here --context-length 512 --slots 1 {options}")
    file = Home(kernel.home).read_node()
    assert file is not None
    return file


@pytest.mark.parametrize("place", PLACES)
def test_up_chat_down_leaves_nothing(kernels: Callable[[], Kernel], place: str) -> None:
    kernel = kernels()
    kernel.must("import threading")
    file = bring_up(kernel, place)
    assert file.place == place
    assert (file.pid == kernel.value("__import__('os').getpid()")) == (place != "process")
    assert "smol" in kernel.must("%bago models").text
    ran = kernel.must("%bago chat -m smol --max-tokens 4 -f text Say hello.")
    assert "tokens" in ran.text
    if place != "kernel":  # its own loop answers only while a cell waits on it
        assert httpx.get(f"http://127.0.0.1:{file.port}/health").status_code == 200
    runner = kernel.value("[r.pid for r in __import__('bago_jupyter').node().status().runners]")[0]
    kernel.must("%bago down")
    until(lambda: gone(runner))
    until(lambda: refused(file.port))
    if place == "process":
        until(lambda: gone(file.pid))
    assert Home(kernel.home).read_node() is None
    until(lambda: "bago" not in kernel.value("[thread.name for thread in threading.enumerate()]"))
    assert bring_up(kernel, place).fingerprint == file.fingerprint


@pytest.mark.parametrize("place", ["thread", "process"])
def test_the_node_answers_while_a_cell_blocks(kernels: Callable[[], Kernel], place: str) -> None:
    kernel = kernels()
    file = bring_up(kernel, place)
    with NodeClient(file) as client:
        client.load("smol")
        cell = kernel.start("import time; time.sleep(60)")
        answer = httpx.post(f"http://127.0.0.1:{file.port}/v1/chat/completions", json=CHAT, timeout=60)
        assert answer.status_code == 200
        kernel.manager.interrupt_kernel()
        assert kernel.finish(cell).reply["ename"] == "KeyboardInterrupt"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("loaded", [True, False])
def test_killing_the_kernel_leaves_nothing(kernels: Callable[[], Kernel], place: str, loaded: bool) -> None:
    kernel = kernels()
    file = bring_up(kernel, place)
    pid = kernel.value("__import__('os').getpid()")
    if loaded:
        kernel.must("%bago load smol")
    else:  # in the middle of a load
        kernel.start("%bago load smol")
        until(lambda: psutil.Process(pid).children(recursive=True))
    children = psutil.Process(pid).children(recursive=True)
    assert children
    os.kill(pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    until(lambda: refused(file.port))


@pytest.mark.parametrize("place", ["thread", "process"])
def test_an_orderly_kernel_shutdown_takes_the_node_along(kernels: Callable[[], Kernel], place: str) -> None:
    kernel = kernels()
    file = bring_up(kernel, place)
    kernel.must("%bago load smol")
    children = psutil.Process(kernel.value("__import__('os').getpid()")).children(recursive=True)
    kernel.manager.shutdown_kernel(now=False)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert refused(file.port)
    assert Home(kernel.home).read_node() is None


def test_a_second_kernel_attaches_and_takes_over(kernels: Callable[[], Kernel]) -> None:
    first, second = kernels(), kernels()
    file = bring_up(first, "thread")
    bring_up(second, "thread")
    with NodeClient(file) as client:
        assert client.status().pid == first.value("__import__('os').getpid()")
        second.must("import bago_jupyter as bago; client = bago.node()")
        assert second.value("client.status().name") == "here"
        client.configure(api_key="sk-of-the-first")
        os.kill(file.pid, signal.SIGKILL)
        until(lambda: (now := Home(first.home).read_node()) and now.pid != file.pid)
        now = Home(first.home).read_node()
        assert now is not None
        assert (now.fingerprint, now.port) == (file.fingerprint, file.port)
        assert now.api_key == "sk-of-the-first", "who was kept out still is"
        assert client.status().name == "here", "clients of the old node go on with the new one"
    assert second.value("client.status().pid == __import__('os').getpid()")
    second.must("%bago chat -m smol --max-tokens 2 -f text hello")


def test_an_orderly_end_is_not_taken_over(kernels: Callable[[], Kernel]) -> None:
    first, second = kernels(), kernels()
    bring_up(first, "thread")
    bring_up(second, "thread")
    first.must("%bago down")
    until(lambda: second.value("__import__('bago_jupyter.launch').launch._running.watcher is None"))
    assert Home(first.home).read_node() is None
    assert "No node runs here" in second.run("%bago models").error


def test_a_taken_port_means_the_next_and_is_said(kernels: Callable[[], Kernel]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        kernel = kernels()
        ran = kernel.must(f"%bago up --name here --port {port}")
        assert f"Port {port} is taken" in ran.text
        file = Home(kernel.home).read_node()
        assert file is not None
        assert port < file.port < port + 100


def test_without_the_patch_the_kernels_loop_is_refused_in_one_line(
    kernels: Callable[[], Kernel],
) -> None:
    kernel = kernels()
    ran = kernel.run("%bago up --in kernel")
    assert "nest_asyncio2" in ran.error
    assert len(ran.error.splitlines()) == 1
    assert bring_up(kernel, "thread")


def test_a_node_can_be_awaited_in_a_cell(kernels: Callable[[], Kernel]) -> None:
    kernel = kernels()
    kernel.must(
        "import bago_jupyter as bago\n"
        "node = await bago.Node(bago.Settings.load({'name': 'here'})).start()\n"
        "client = bago.AsyncNodeClient(node.file)\n"
        "status = await client.status()\n"
        "async with client.chat([{'role': 'user', 'content': 'hi'}], max_tokens=3) as (reply, pieces):\n"
        "    text = ''.join([piece async for piece in pieces])\n"
        "await client.close()\n"
        "await node.stop()"
    )
    assert kernel.value("status.place") == "kernel"
    assert kernel.value("text")


def test_serve_runs_headless_until_it_is_told(home: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BAGO_")}
    environ |= {"BAGO_HOME": str(home), "BAGO_PORT": "0", "BAGO_NAME": "box"}
    command = [sys.executable, "-m", "bago_jupyter"]
    with subprocess.Popen([*command, "serve"], env=environ, stdout=subprocess.PIPE) as served:
        assert served.stdout is not None
        assert b'"url"' in served.stdout.readline()
        run = subprocess.run([*command, "status"], env=environ, capture_output=True, text=True, check=True)
        assert run.stdout.startswith("box")
        again = subprocess.run([*command, "serve"], env=environ, capture_output=True, text=True)
        assert again.returncode == 1
        assert "already runs" in again.stderr
        served.send_signal(signal.SIGTERM)
        assert served.wait(60) == 0
    assert Home(home).read_node() is None
    run = subprocess.run([*command, "models"], env=environ, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (1, "")
    assert "No node runs here" in run.stderr


def test_a_kernel_that_only_looked_stands_by_as_well(kernels: Callable[[], Kernel]) -> None:
    first, second = kernels(), kernels()
    file = bring_up(first, "thread")
    second.must("import bago_jupyter as bago; bago.node()")
    bring_up(second, "thread")
    os.kill(file.pid, signal.SIGKILL)
    until(lambda: (now := Home(first.home).read_node()) and now.pid != file.pid)


def test_nobody_but_the_holder_of_the_lock_gets_the_token(kernels: Callable[[], Kernel]) -> None:
    first, second = kernels(), kernels()
    file = bring_up(first, "thread")
    os.kill(file.pid, signal.SIGKILL)
    until(lambda: refused(file.port))
    heard: list[bytes] = []

    class Foreign(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(bytes(self.headers))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", file.port), Foreign)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        now = bring_up(second, "thread")
        assert now.port != file.port
        assert now.admin_token != file.admin_token
        assert not heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_node_that_another_client_stopped_leaves_no_thread(kernels: Callable[[], Kernel]) -> None:
    kernel = kernels()
    for _ in range(3):
        file = bring_up(kernel, "thread")
        with NodeClient(file) as client:
            client.shutdown()
        until(lambda: refused(file.port))  # noqa: B023
    bring_up(kernel, "thread")
    names = "[thread.name for thread in __import__('threading').enumerate()]"
    until(lambda: kernel.value(names).count("bago") == 1)


def test_an_unusable_home_is_one_line(kernels: Callable[[], Kernel], home: Path) -> None:
    (home / "node.log").mkdir()
    ran = kernels().run("%bago up")
    assert "cannot be used" in ran.error
    assert len(ran.error.splitlines()) == 1
