"""A view that is on show and idle writes nothing into the notebook, whatever its root logger lets through."""

from __future__ import annotations

from typing import Any

SHOW = """
import logging
logging.basicConfig(level=logging.DEBUG, force=True)
from bago_jupyter import launch
from bago_jupyter.widgets import NodesView
node = launch.up(port=0, name='attic')
view = NodesView(node)
print(view.model_id)
"""
WATCH = """
import time
end = time.monotonic() + 6  # it looks at its node every 5 s
while time.monotonic() < end:
    time.sleep(0.05)
"""
LOUD = "import httpx; httpx.get(f'{node.url}/health', trust_env=False)"


def errors_of(kernel: Any, code: str) -> str:
    """What was written to stderr from the begin of a cell to its end."""
    since = len(kernel.messages)
    kernel.run(code)
    written = [message["content"] for message in kernel.messages[since:] if message["msg_type"] == "stream"]
    return "".join(content["text"] for content in written if content["name"] == "stderr")


def test_an_idle_view_writes_nothing_into_a_cell(kernel: Any) -> None:
    comm = kernel.run(SHOW).strip().splitlines()[-1]
    kernel.hello(comm)
    assert errors_of(kernel, WATCH) == ""
    assert "HTTP Request: GET" in errors_of(kernel, LOUD)
