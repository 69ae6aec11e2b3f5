"""Real kernels of several ipykernel versions, spoken to as a browser would."""

from __future__ import annotations

import os
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ipykernels import fetch
from kernels import started

PATIENCE = 90.0
Message = dict[str, Any]


def clean_environ() -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BAGO_")}


class Kernel:
    """A kernel and one client of it."""

    def __init__(self, ipykernel: str | None, cwd: Path):
        environ = {**clean_environ(), "BAGO_HOME": str(cwd / "home"), "PYTHONWARNINGS": "default"}
        if ipykernel is not None and ipykernel != version("ipykernel"):
            environ["PYTHONPATH"] = os.pathsep.join([str(fetch(ipykernel)), environ.get("PYTHONPATH", "")])
        self.manager, self.client = started(env=environ, cwd=str(cwd))
        self.messages: list[Message] = []

    def wait(self, wanted: Callable[[Message], bool], since: int = 0, timeout: float = PATIENCE) -> Message:
        """The first IOPub message from number ``since`` on that is ``wanted``."""
        at = since
        end = time.monotonic() + timeout
        while True:
            while at < len(self.messages):
                if wanted(self.messages[at]):
                    return self.messages[at]
                at += 1
            try:
                self.messages.append(self.client.get_iopub_msg(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                seen = [message["msg_type"] for message in self.messages[since:]]
                raise AssertionError(f"not within {timeout} s; saw {seen[-40:]}") from None

    def start(self, code: str) -> str:
        """Start a cell; its message id."""
        return self.client.execute(code)

    def finish(self, cell: str) -> str:
        """Wait for the end of a cell; what it printed."""
        self.wait(
            lambda m: (
                m["parent_header"].get("msg_id") == cell and m["content"].get("execution_state") == "idle"
            )
        )
        mine = [m for m in self.messages if m["parent_header"].get("msg_id") == cell]
        for message in mine:
            if message["msg_type"] == "error":
                raise AssertionError("\n".join(message["content"]["traceback"]))
        return "".join(m["content"]["text"] for m in mine if m["content"].get("name") == "stdout")

    def run(self, code: str) -> str:
        """Run a cell to its end; what it printed."""
        return self.finish(self.start(code))

    def until(self, expression: str) -> None:
        """Wait until ``expression`` is true in the kernel."""
        self.run(f"import time\nwhile not ({expression}): time.sleep(0.02)")

    def subshell(self) -> str:
        """A new subshell, as JupyterLab makes one for all widgets."""
        return str(self._control("create_subshell_request")["subshell_id"])

    def end_subshell(self, subshell: str) -> None:
        """Delete ``subshell``, as JupyterLab does with the last widget on show."""
        assert self._control("delete_subshell_request", subshell_id=subshell)["status"] == "ok"

    def send(self, comm: str, content: dict[str, Any], subshell: str | None = None) -> None:
        """Send a widget's custom message."""
        data = {"comm_id": comm, "data": {"method": "custom", "content": content}}
        message = self.client.session.msg("comm_msg", data)
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def reply(self, comm: str, since: int = 0, timeout: float = PATIENCE, **fields: Any) -> dict[str, Any]:
        """The first custom message of ``comm`` that has ``fields``."""

        def wanted(message: Message) -> bool:
            content = custom(message, comm)
            return content is not None and fields.items() <= content.items()

        found = custom(self.wait(wanted, since, timeout), comm)
        assert found is not None
        return found

    def hello(self, comm: str, subshell: str | None = None, timeout: float = PATIENCE) -> str:
        """Open a view of ``comm`` and wait until it is greeted; the view's id."""
        view = uuid.uuid4().hex
        end = time.monotonic() + timeout
        while True:
            self.send(comm, {"kind": "hello", "view": view}, subshell)
            try:
                self.reply(comm, kind="hello", view=view, timeout=2.0)
                return view
            except AssertionError:  # the front end says it again, too
                if time.monotonic() > end:
                    raise

    def state(
        self, comm: str, wanted: Callable[[Any], Any], since: int = 0, timeout: float = PATIENCE
    ) -> Any:
        """The first snapshot of ``comm`` that is ``wanted``."""

        def matches(message: Message) -> bool:
            found = snapshot(message, comm)
            return found is not None and bool(wanted(found))

        return snapshot(self.wait(matches, since, timeout), comm)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def _control(self, kind: str, **content: Any) -> dict[str, Any]:
        self.client.control_channel.send(self.client.session.msg(kind, content))
        return self.client.control_channel.get_msg(timeout=PATIENCE)["content"]


def custom(message: Message, comm: str) -> dict[str, Any] | None:
    """The content of a custom message of ``comm``."""
    content = message["content"]
    if message["msg_type"] != "comm_msg" or content["comm_id"] != comm:
        return None
    return content["data"].get("content") if content["data"]["method"] == "custom" else None


def snapshot(message: Message, comm: str) -> Any:
    """The state that ``message`` brings to ``comm``."""
    content = message["content"]
    if message["msg_type"] not in ("comm_open", "comm_msg") or content["comm_id"] != comm:
        return None
    return content["data"].get("state", {}).get("snapshot")


@pytest.fixture
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel; parametrize indirectly with an ipykernel version."""
    kernel = Kernel(getattr(request, "param", None), tmp_path)
    yield kernel
    kernel.close()
