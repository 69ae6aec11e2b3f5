"""A browser's end of a live view in a real kernel."""

from __future__ import annotations

from typing import Any


class View:
    """``up`` is a cell that makes the view and prints its model id last."""

    def __init__(self, kernel: Any, up: str):
        self.kernel = kernel
        self.comm: str = kernel.run(up).strip().splitlines()[-1]
        self.view: str = kernel.hello(self.comm)
        self.last = 0

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """A request and its whole reply."""
        self.last += 1
        self.kernel.send(self.comm, {"id": self.last, "kind": kind, "view": self.view, **fields})
        reply: dict[str, Any] = self.kernel.reply(self.comm, id=self.last)
        return reply

    def must(self, kind: str, **fields: Any) -> Any:
        """A request that has to succeed; its answer."""
        reply = self.ask(kind, **fields)
        assert "error" not in reply, reply
        return reply["ok"]

    def refused(self, kind: str, **fields: Any) -> str:
        """A request that has to fail; the sentence."""
        reply = self.ask(kind, **fields)
        assert "ok" not in reply, reply
        return str(reply["error"])

    def shown(self) -> Any:
        """The newest state that came from the kernel."""
        found = None
        for message in self.kernel.messages:
            content = message["content"]
            if message["msg_type"] in ("comm_open", "comm_msg") and content["comm_id"] == self.comm:
                found = content["data"].get("state", {}).get("snapshot", found)
        assert found is not None
        return found["view"]

    def until(self, wanted: Any) -> Any:
        """The first state that is ``wanted``."""
        return self.kernel.state(self.comm, lambda state: state["view"] and wanted(state["view"]))["view"]
