"""A real kernel, driven as a front end drives it."""

from __future__ import annotations

import ast
import contextlib
import os
import queue
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from bago_jupyter.client import NodeClient
from bago_jupyter.state import Home

PATIENCE = 90.0
LOAD = "%load_ext bago_jupyter"
Message = dict[str, Any]


@dataclass
class Ran:
    """What one cell did, as a notebook would store it."""

    outputs: list[Message] = field(default_factory=list)
    """Outputs in order; one that was updated holds its last content."""
    updates: list[Message] = field(default_factory=list)
    """Every bundle that was shown or updated, in order."""
    reply: Message = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    """Where each output that can change stands among the outputs."""

    @property
    def ok(self) -> bool:
        return self.reply["status"] == "ok"

    @property
    def text(self) -> str:
        """All printed text and plain twins."""
        return "\n".join(
            output["text"] if "text" in output else output["data"].get("text/plain", "")
            for output in self.outputs
            if "ename" not in output
        )

    @property
    def error(self) -> str:
        """The error as it is shown, without colours."""
        shown = [output for output in self.outputs if "ename" in output]
        assert len(shown) <= 1, shown
        return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(shown[0]["traceback"])) if shown else ""

    def data(self, mime: str) -> list[Any]:
        return [output["data"][mime] for output in self.outputs if mime in output.get("data", {})]


def started(**how: Any) -> tuple[KernelManager, BlockingKernelClient]:
    """A kernel and its client, once it answers and what it publishes arrives here.

    It is begun again where somebody else took one of its ports between their choice and their use.
    """
    for _ in range(5):
        manager = KernelManager(kernel_name="python3")
        manager.shutdown_wait_time = PATIENCE  # it is not killed for being slow to end
        manager.start_kernel(**how)
        client = manager.client()
        client.start_channels()
        if _answers(manager, client):
            return manager, client
        client.stop_channels()
        manager.cleanup_resources()
    raise AssertionError("no kernel started")


def _answers(manager: KernelManager, client: BlockingKernelClient) -> bool:
    """Wait until it does; false where its process has ended."""
    end = time.monotonic() + PATIENCE
    while manager.is_alive():
        asked = client.kernel_info()
        with contextlib.suppress(queue.Empty):
            while client.get_shell_msg(timeout=1)["parent_header"].get("msg_id") != asked:
                pass
            while client.get_iopub_msg(timeout=1)["parent_header"].get("msg_id") != asked:
                pass
            return True
        assert time.monotonic() < end, "the kernel does not answer"
    return False


class Kernel:
    """One kernel with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._node: NodeClient | None = None
        environ = {name: value for name, value in os.environ.items() if not name.startswith("BAGO_")}
        environ |= {"BAGO_HOME": str(home), "BAGO_PORT": "0", "IPYTHONDIR": str(home.parent / "ipython")}
        self.manager, self.client = started(env=environ)

    def close(self) -> None:
        if self._node is not None:
            self._node.close()
        self.client.stop_channels()
        if self.manager.has_kernel:  # else it was shut down already
            self.manager.shutdown_kernel()
            self.manager.cleanup_resources()

    def run(self, code: str) -> Ran:
        """Run a cell to its end."""
        return self.finish(self.start(code))

    def must(self, code: str) -> Ran:
        ran = self.run(code)
        assert ran.ok, (code, ran.error, ran.text)
        return ran

    def value(self, expression: str) -> Any:
        """``repr`` of an expression, read back."""
        reply = self.client.execute("", user_expressions={"v": expression}, silent=True, reply=True)
        found = reply["content"]["user_expressions"]["v"]
        assert found["status"] == "ok", (expression, found)
        return ast.literal_eval(found["data"]["text/plain"])

    def history(self) -> list[Message]:
        """What the next chat would be sent as."""
        session = "list(sys.modules['bago_jupyter.magics']._sessions.values())[0]"
        return list(self.value(f"(sys := __import__('sys')) and {session}.history.messages('next')"))

    def start(self, code: str) -> str:
        return str(self.client.execute(code, allow_stdin=False))

    def finish(self, id: str, until: Callable[[Ran], bool] | None = None, ran: Ran | None = None) -> Ran:
        """Collect what cell ``id`` shows until it is done, or until ``until(ran)`` holds."""
        ran = ran or Ran()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                ran.reply = self._reply(id)
                return ran
            self._collect(ran, kind, content)
            if until is not None and until(ran):
                return ran
        raise AssertionError(f"the cell did not end: {ran}")

    def _reply(self, id: str) -> Message:
        while (message := self.client.get_shell_msg(timeout=PATIENCE))["parent_header"].get("msg_id") != id:
            pass
        return dict(message["content"])

    @staticmethod
    def _collect(ran: Ran, kind: str, content: Message) -> None:
        if kind == "stream" and ran.outputs and ran.outputs[-1].get("name") == content["name"]:
            ran.outputs[-1]["text"] += content["text"]
        elif kind in ("stream", "error", "execute_result"):
            ran.outputs.append(dict(content))
        elif kind in ("display_data", "update_display_data"):
            ran.updates.append(content["data"])
            id = content.get("transient", {}).get("display_id")
            if id in ran.places:
                ran.outputs[ran.places[id]] = dict(content)
            else:
                ran.places[id] = len(ran.outputs)
                ran.outputs.append(dict(content))

    def complete(self, code: str) -> list[str]:
        """The whole lines that completion would make of ``code`` with the cursor at its end."""
        content = self.client.complete(code, len(code), reply=True, timeout=PATIENCE)["content"]
        return [code[: content["cursor_start"]] + match for match in content["matches"]]

    def node(self) -> NodeClient:
        """A client of the node in the kernel."""
        if self._node is None:
            file = Home(self.home).read_node()
            assert file is not None
            self._node = NodeClient(file)
        return self._node

    def busy_slots(self, node: NodeClient) -> int:
        """How many slots of the runner are at work, as the runner itself says."""
        return sum(slot.busy for slot in node.slots("smol"))
