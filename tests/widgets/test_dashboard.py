"""The dashboard against a real node in a real kernel, and its twins without a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter

from bago_jupyter.widgets import dashboardtext

UP = (
    "from bago_jupyter import launch; from bago_jupyter.widgets import DashboardView, dashboard, pump\n"
    "node = launch.up(port=0, name='attic')"
)
BOARD = f"{UP}\nboard = DashboardView(node); print(board.model_id)"
SAY = "with node.chat([{'role': 'user', 'content': 'x'}], max_tokens=2) as (_, pieces): list(pieces)"


def settled(view: Any) -> bool:
    """Whether every part of it, which are read one after the other, knows of one request."""
    counted = [view["counts"]["ok"], *(sum(span["points"].get("requests", ())) for span in view["spans"])]
    return bool(view["by_model"]) and set(counted) == {1}


def test_what_is_asked_shows_everywhere(kernel: Any, starter_gguf: Path) -> None:
    comm = kernel.run(BOARD).strip().splitlines()[-1]
    opened = kernel.state(comm, lambda state: state["view"])["view"]
    (local,) = opened["nodes"]
    assert (local["name"], local["kind"], local["state"], local["models"]) == ("attic", "local", "healthy", 0)
    assert opened["models"] == [] and opened["by_node"] == []
    assert [span["seconds"] for span in opened["spans"]] == [900, 3600, 86400]
    kernel.run("pump.REFRESH = 0.3")
    kernel.hello(comm)
    kernel.run(f"model = node.pull({str(starter_gguf)!r}).id; node.load(model, context_length=512)\n{SAY}")
    name = kernel.run("print(model)").strip()
    view = kernel.state(comm, lambda state: settled(state["view"]))["view"]
    assert [(row["name"], row["requests"], row["ok"]) for row in view["by_node"]] == [("attic", 1, 1)]
    assert [row["name"] for row in view["by_model"]] == [name]
    assert view["models"][0]["id"] == name
    assert view["models"][0]["places"]["backend:local"]["model_state"] == "ready"
    for span in view["spans"]:
        points = span["points"]
        assert sum(points["failed"]) == 0
        assert next(value for value in points["p50"] if value is not None) > 0
        assert len({len(values) for values in points.values()}) == 1
        assert 1 <= span["last"] <= span["step"]
    measured = kernel.state(comm, lambda state: (state["view"]["nodes"][0]["resources"] or {}).get("cpu"))
    assert measured["view"]["nodes"][0]["resources"]["memory_used"] > 0


def test_a_calm_node_is_not_asked_what_is_over_again(kernel: Any) -> None:
    kernel.run(BOARD)
    kernel.run(
        "asked = []; stats = type(node).stats\n"
        "type(node).stats = lambda *a, **k: (asked.append(1), stats(*a, **k))[1]\n"
        "for _ in range(3): board.gather(node)"
    )
    assert kernel.run("print(len(asked))").strip() == "0"
    kernel.run("dashboard.PAST = 0.0; board.gather(node)")
    assert kernel.run("print(len(asked))").strip() == "2"


def test_a_node_that_goes_down_leaves_its_last_word(kernel: Any) -> None:
    comm = kernel.run(BOARD).strip().splitlines()[-1]
    kernel.hello(comm)
    kernel.run("launch.down()")
    down = kernel.state(comm, lambda state: state["down"])
    assert down["view"]["nodes"][0]["name"] == "attic"


def test_no_secret_is_in_what_is_shown(kernel: Any) -> None:
    comm = kernel.run(BOARD).strip().splitlines()[-1]
    kernel.hello(comm)
    seen = json.dumps(kernel.messages, default=str)
    token = kernel.run("print(node.node.admin_token)").strip()
    assert len(token) > 20 and token not in seen


def test_an_executed_notebook_shows_it_everywhere(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("BAGO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BAGO_PORT", "0")
    notebook = nbformat.v4.new_notebook()
    cells = ("%load_ext bago_jupyter", "%bago up --name attic", "%bago ui dashboard")
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    NotebookClient(notebook, kernel_name="python3", timeout=200, startup_timeout=200).execute()
    data = notebook.cells[-1].outputs[0].data
    assert "attic" in data["text/plain"] and "healthy" in data["text/plain"]
    assert "attic" in MarkdownExporter().from_notebook_node(notebook)[0]
    del notebook.metadata["widgets"]
    assert "attic" in HTMLExporter().from_notebook_node(notebook)[0]


HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 10_000
VIEW = {
    "name": HOSTILE,
    "nodes": [
        {
            "id": "backend:peer:1",
            "name": HOSTILE,
            "kind": "peer",
            "state": "unhealthy",
            "reason": HOSTILE,
            "latency": 0.0123,
            "resources": {
                "cpu": 0.5,
                "cores": 2,
                "memory_used": 1,
                "memory_total": 4,
                "gpus": [{"name": HOSTILE, "load": None, "memory_used": None, "memory_total": None}],
            },
        }
    ],
    "models": [{"id": HOSTILE, "places": {"backend:peer:1": {"state": "healthy", "model_state": "ready"}}}],
    "counts": {"total": 1234, "ok": 1, "failed": 2, "cancelled": 3, "in_flight": 4},
    "by_node": [{"name": HOSTILE, "requests": 1, "ok": 1, "failed": 0, "cancelled": 0}],
    "by_model": [],
    "spans": [],
}


def test_whatever_a_peer_is_called_stays_text() -> None:
    shown = dashboardtext.html(VIEW, HOSTILE)
    assert "<script" not in shown and "&lt;script&gt;" in shown
    assert "\u202e" not in shown + dashboardtext.plain(VIEW, HOSTILE)
    for part in ("50 %", "25 %", "12 ms", "1\u2009234"):
        assert part in shown


def test_nothing_at_all_is_said_too() -> None:
    assert dashboardtext.plain(None, None) == "No node."
    assert "away" in dashboardtext.plain(None, "away") and "away" in dashboardtext.html(None, "away")
