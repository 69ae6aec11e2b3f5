"""The hello protocol against real kernels: clicks are served while a cell blocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ipykernels import VERSIONS, WITH_SUBSHELLS

EVERY = pytest.mark.parametrize("kernel", VERSIONS, indirect=True)
SUBSHELLS = pytest.mark.parametrize("kernel", WITH_SUBSHELLS, indirect=True)

PROBE = """
import asyncio, os, threading, time
from bago_jupyter import loops
from bago_jupyter.errors import InvalidRequest
from bago_jupyter.widgets import BagoWidget

class Probe(BagoWidget):
    _esm = "export default { render() {} }"
    seen = 0
    async def respond(self, kind, request):
        if kind == "refuse":
            raise InvalidRequest("Not today.")
        if kind == "break":
            raise RuntimeError("a detail that is nobody's business")
        if kind != "click":
            return await super().respond(kind, request)
        return threading.current_thread().name
    def watched(self):
        self.seen += 1
    def release(self):
        super().release()
        open("released", "w").close()

async def feed(widget):
    n = 0
    while True:
        n += 1
        widget.publish({"n": n})
        await asyncio.sleep(0.02)

probe = Probe({"n": 0})
print(probe.model_id)
"""


def blocking(release: Path) -> str:
    return f"while not os.path.exists({str(release)!r}): time.sleep(0.02)"


def wait_for(condition: Callable[[], bool], timeout: float = 60.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def probe(kernel: Any) -> str:
    return kernel.run(PROBE).strip().splitlines()[-1]


def pin(kernel: Any) -> None:
    """Send from a cell. Beside a feeding thread, ipykernel 7.3 may report its end under another parent."""
    kernel.start("probe.send({'kind': 'a cell that pins the comm'})")
    kernel.wait(lambda m: "a cell that pins the comm" in str(m["content"].get("data")))


@SUBSHELLS
def test_clicks_are_served_while_a_cell_blocks(kernel: Any, tmp_path: Path) -> None:
    comm, subshell = probe(kernel), kernel.subshell()
    kernel.hello(comm, subshell)
    kernel.run("feeding = loops.background().submit(feed(probe))")
    pin(kernel)
    serves_while_blocked(kernel, comm, subshell, tmp_path / "release")


@pytest.mark.parametrize("kernel", ["7.4.0"], indirect=True)
def test_the_context_alone_serves_them(kernel: Any, tmp_path: Path) -> None:
    """What remains where ipykernel keeps its route in another place than 7.4.0."""
    kernel.run("from bago_jupyter.widgets import BagoWidget; BagoWidget._free_route = lambda self: None")
    comm, subshell = probe(kernel), kernel.subshell()
    kernel.hello(comm, subshell)
    kernel.run("feeding = loops.background().submit(feed(probe))")
    pin(kernel)
    serves_while_blocked(kernel, comm, subshell, tmp_path / "release")


@SUBSHELLS
def test_the_first_hello_is_served_while_a_cell_blocks(kernel: Any, tmp_path: Path) -> None:
    comm, subshell, release = probe(kernel), kernel.subshell(), tmp_path / "release"
    cell = kernel.start(blocking(release))
    kernel.hello(comm, subshell)
    release.touch()
    kernel.finish(cell)


@pytest.mark.parametrize("kernel", ["7.4.0"], indirect=True)
def test_a_hello_from_before_the_subshell_does_no_harm(kernel: Any, tmp_path: Path) -> None:
    """JupyterLab may send its first messages while its subshell is still being made."""
    comm = probe(kernel)
    kernel.hello(comm)
    kernel.run("feeding = loops.background().submit(feed(probe))")
    serves_while_blocked(kernel, comm, kernel.subshell(), tmp_path / "release")


def serves_while_blocked(kernel: Any, comm: str, subshell: str, release: Path) -> None:
    cell = kernel.start(blocking(release))
    begun = len(kernel.messages)
    kernel.state(comm, lambda state: state["n"], begun)
    for id in range(3):
        kernel.send(comm, {"id": id, "kind": "click", "view": "v"}, subshell)
        kernel.reply(comm, begun, kind="taken", request=id)
        assert kernel.reply(comm, begun, id=id)["ok"] == "bago"
    assert not any(
        m["parent_header"].get("msg_id") == cell and m["content"].get("execution_state") == "idle"
        for m in kernel.messages
    )
    release.touch()
    kernel.finish(cell)


@pytest.mark.parametrize("kernel", ["7.4.0"], indirect=True)
def test_without_either_they_are_not(kernel: Any, tmp_path: Path) -> None:
    """The trap itself: if this fails, ipykernel has changed and base.py can become simpler."""
    kernel.run("from bago_jupyter.widgets import BagoWidget; BagoWidget._free_route = lambda self: None")
    comm, subshell, release = probe(kernel), kernel.subshell(), tmp_path / "release"
    kernel.hello(comm, subshell)
    kernel.run("threading.Thread(target=probe.send, args=({'kind': 'pin'},)).start()")
    kernel.reply(comm, kind="pin")
    cell = kernel.start(blocking(release))
    kernel.send(comm, {"id": 1, "kind": "click", "view": "v"}, subshell)
    with pytest.raises(AssertionError, match="not within"):
        kernel.reply(comm, id=1, timeout=1.0)
    release.touch()
    kernel.finish(cell)
    assert kernel.reply(comm, id=1)["ok"] == "bago"


@pytest.mark.parametrize("kernel", ["6.31.0"], indirect=True)
def test_a_kernel_without_subshells_pushes_at_once_and_serves_clicks_later(
    kernel: Any, tmp_path: Path
) -> None:
    comm, release = probe(kernel), tmp_path / "release"
    kernel.hello(comm)
    kernel.run("feeding = loops.background().submit(feed(probe))")
    cell = kernel.start(blocking(release))
    begun = len(kernel.messages)
    first = kernel.state(comm, lambda state: state["n"], begun)["n"]
    kernel.state(comm, lambda state: state["n"] > first, begun)
    kernel.send(comm, {"id": 1, "kind": "click", "view": "v"})
    release.touch()
    kernel.finish(cell)
    assert kernel.reply(comm, begun, id=1)["ok"] == "bago"
    ended = kernel.wait(
        lambda m: m["parent_header"].get("msg_id") == cell and m["content"].get("execution_state") == "idle"
    )
    taken = kernel.wait(
        lambda m: m["content"].get("data", {}).get("content") == {"kind": "taken", "request": 1}
    )
    assert kernel.messages.index(ended) < kernel.messages.index(taken), "until then the kernel is called busy"


@pytest.mark.parametrize("kernel", ["7.4.0"], indirect=True)
@pytest.mark.parametrize("bye", [True, False])
def test_a_notebook_that_is_closed_and_opened_again_is_served(kernel: Any, tmp_path: Path, bye: bool) -> None:
    """JupyterLab deletes its subshell with the last view; a route that ends there swallows the next hello."""
    comm, old = probe(kernel), kernel.subshell()
    view = kernel.hello(comm, old)
    if bye:
        kernel.send(comm, {"kind": "bye", "view": view}, old)
        wait_for((tmp_path / "released").exists)
        kernel.end_subshell(old)
    else:
        kernel.end_subshell(old)
        begun = len(kernel.messages)
        kernel.run("loops.background().submit(feed(probe))")
        kernel.state(comm, lambda state: state["n"], begun)
    new = kernel.subshell()
    kernel.hello(comm, new)
    kernel.send(comm, {"id": 1, "kind": "click", "view": "v"}, new)
    assert kernel.reply(comm, id=1)["ok"] == "bago"


@EVERY
def test_errors_come_back_as_one_sentence(kernel: Any) -> None:
    comm = probe(kernel)
    for id, kind in enumerate(["refuse", "break", "dance"]):
        kernel.send(comm, {"id": id, "kind": kind, "view": "v"})
    assert kernel.reply(comm, id=0)["error"] == "Not today."
    assert kernel.reply(comm, id=1)["error"] == "break failed: RuntimeError; the kernel's log has more."
    assert kernel.reply(comm, id=2)["error"] == "This widget has no request 'dance'."
    kernel.send(comm, "nonsense")  # type: ignore[arg-type]
    kernel.hello(comm)


@EVERY
def test_views_come_and_go(kernel: Any, tmp_path: Path) -> None:
    comm = probe(kernel)
    one, two = kernel.hello(comm), kernel.hello(comm)
    assert kernel.run("print(probe.live, len(probe._views), probe.seen >= 2)") == "True 2 True\n"
    kernel.send(comm, {"kind": "bye", "view": one})
    assert kernel.run("print(probe.live)") == "True\n"
    kernel.send(comm, {"kind": "bye", "view": two})
    wait_for((tmp_path / "released").exists)
    assert kernel.run("print(probe.live)") == "False\n"


def test_a_lost_view_does_not_live_for_ever(kernel: Any) -> None:
    comm = probe(kernel)
    kernel.hello(comm)
    kernel.run("import bago_jupyter.widgets.base as base; base.LEASE = 0.0")
    assert kernel.run("print(probe.live)") == "False\n"


@EVERY
def test_the_latest_state_is_what_a_reloaded_page_gets(kernel: Any) -> None:
    comm = probe(kernel)
    kernel.run("async def quiet(): probe.publish({'n': 7}, tell=False)\nloops.background().run(quiet())")
    begun = len(kernel.messages)
    kernel.hello(comm)
    kernel.state(comm, lambda state: state == {"n": 7}, begun)
    assert kernel.run("print(probe.get_state()['snapshot'])") == "{'n': 7}\n"


def test_unknown_arguments_are_refused(kernel: Any) -> None:
    probe(kernel)
    said = kernel.run("try: Probe({}, layuot={})\nexcept TypeError as error: print(error)")
    assert said == "Probe has no argument 'layuot'; did you mean layout?\n"


def test_a_closed_widget_sends_nothing(kernel: Any) -> None:
    probe(kernel)
    kernel.run("probe.close(); probe.publish({'n': 1}); probe.push({}); print(probe.live)")


def test_importing_the_package_imports_no_widget_library(kernel: Any) -> None:
    code = "import sys, bago_jupyter.widgets; print({'anywidget', 'ipywidgets', 'httpx'} & set(sys.modules))"
    assert kernel.run(code) == "set()\n"
