"""The card and its pump against a real node, in a real kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter

UP = (
    "from bago_jupyter import launch; from bago_jupyter.widgets import StatusCard, pump\n"
    "node = launch.up(port=0)"
)
CARD = f"{UP}\ncard = StatusCard(node); print(card.model_id)"


def card(kernel: Any) -> str:
    return kernel.run(CARD).strip().splitlines()[-1]


def test_the_card_follows_the_node_down_and_up_again(kernel: Any) -> None:
    comm = card(kernel)
    opened = kernel.state(comm, lambda state: state["status"])
    begun = len(kernel.messages)
    kernel.hello(comm)
    assert (
        kernel.state(comm, lambda state: state["down"] is None, begun)["status"]["url"]
        == opened["status"]["url"]
    )
    begun = len(kernel.messages)
    kernel.run("launch.down()")
    down = kernel.state(comm, lambda state: state["down"], begun)
    assert down["status"]["name"] == opened["status"]["name"]
    begun = len(kernel.messages)
    kernel.run("node = launch.up(port=0)")
    again = kernel.state(comm, lambda state: state["down"] is None, begun)
    assert again["status"]["started_at"] > opened["status"]["started_at"]
    assert again["status"]["fingerprint"] == opened["status"]["fingerprint"]


def test_a_calm_node_costs_the_browser_nothing(kernel: Any) -> None:
    comm = card(kernel)
    kernel.run("pump.REFRESH = 0.2")
    kernel.hello(comm)
    kernel.until("pump._pumps and all(p._told for p in pump._pumps.values())")
    begun = len(kernel.messages)
    kernel.run("at = card._state['status']['uptime']")
    kernel.until("card._state['status']['uptime'] > at + 1")
    shown = [
        m for m in kernel.messages[begun:] if m["msg_type"] == "comm_msg" and m["content"]["comm_id"] == comm
    ]
    assert shown == []


def test_two_cards_share_a_pump_that_ends_with_the_last_view(kernel: Any) -> None:
    one, two = card(kernel), card(kernel)
    views = [(comm, kernel.hello(comm)) for comm in (one, two)]
    kernel.until("[len(p._widgets) for p in pump._pumps.values()] == [2]")
    for comm, view in views:
        kernel.send(comm, {"kind": "bye", "view": view})
    kernel.until("not pump._pumps")


def test_unloading_reaches_the_node_and_its_answer_the_browser(kernel: Any) -> None:
    comm = card(kernel)
    view = kernel.hello(comm)
    kernel.send(comm, {"id": 1, "kind": "unload", "model": "no-such-model", "view": view})
    assert "no-such-model" in kernel.reply(comm, id=1)["error"]


def test_a_model_is_shown_from_loading_to_unloading(kernel: Any, starter_gguf: Path) -> None:
    comm = card(kernel)
    kernel.run("pump.REFRESH = 60.0")  # only events may bring what follows
    view = kernel.hello(comm)
    name = kernel.run(
        f"model = node.pull({str(starter_gguf)!r}).id; node.load(model, context_length=512); print(model)"
    ).strip()
    kernel.state(comm, lambda state: [r["state"] for r in state["status"]["runners"]] == ["loading"])
    ready = kernel.state(comm, lambda state: [r["state"] for r in state["status"]["runners"]] == ["ready"])
    assert ready["status"]["runners"][0]["model"] == name
    begun = len(kernel.messages)
    kernel.run(
        "for _ in range(3):\n"
        " with node.chat([{'role': 'user', 'content': 'x'}], max_tokens=1) as (reply, pieces): list(pieces)"
    )
    counted = kernel.state(comm, lambda state: state["status"]["requests"]["ok"] == 3, begun)
    assert counted["status"]["requests"]["total"] == 3
    begun = len(kernel.messages)
    kernel.send(comm, {"id": 1, "kind": "unload", "model": name, "view": view})
    assert kernel.reply(comm, id=1)["ok"] is None
    kernel.state(comm, lambda state: not state["status"]["runners"], begun)


def test_a_node_that_is_not_there_is_shown_as_down(kernel: Any) -> None:
    kernel.run(UP + "\nfile = node.node; launch.down()")
    comm = kernel.run(
        "from bago_jupyter.client import NodeClient\n"
        "card = StatusCard(NodeClient(file)); print(card.model_id)"
    ).strip()
    assert "%bago up" in kernel.state(comm, lambda state: True)["down"]
    assert "%bago up" in kernel.run("print(card.plain())")
    begun = len(kernel.messages)
    kernel.hello(comm)
    kernel.run("launch.up(port=0)")
    kernel.state(comm, lambda state: state["status"] and state["down"] is None, begun)


def test_no_secret_of_the_node_leaves_the_kernel(kernel: Any) -> None:
    comm = card(kernel)
    view = kernel.hello(comm)
    kernel.run("card")
    kernel.send(comm, {"id": 1, "kind": "unload", "model": "x", "view": view})
    kernel.reply(comm, id=1)
    seen = json.dumps(kernel.messages, default=str)
    token = kernel.run("print(node.node.admin_token)").strip()
    assert len(token) > 20
    assert token not in seen


def test_an_executed_notebook_shows_the_last_state_everywhere(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("BAGO_HOME", str(tmp_path / "home"))
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(UP + "\nStatusCard(node)")]
    NotebookClient(notebook, kernel_name="python3", timeout=200, startup_timeout=200).execute()
    data, live = (output.data for output in notebook.cells[0].outputs)
    assert {"text/plain", "text/html"} == set(data)
    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    view = live["application/vnd.jupyter.widget-view+json"]
    url = widgets[view["model_id"]]["state"]["snapshot"]["status"]["url"]
    assert url in data["text/plain"]
    assert url in MarkdownExporter().from_notebook_node(notebook)[0]
    del notebook.metadata["widgets"]
    assert url in HTMLExporter().from_notebook_node(notebook)[0]
