"""The key card in a real kernel: the key reaches a browser, and no notebook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from bago_jupyter.trust.connection_key import ConnectionKey

UP = "from bago_jupyter import launch; from bago_jupyter.widgets import KeyCard\nnode = launch.up(port=0)"
CARD = (
    f"{UP}\nmade = node.make_key(ttl=600); card = KeyCard(node, made); print(made.text); print(card.model_id)"
)


@pytest.fixture
def shown(kernel: Any) -> tuple[str, str]:
    """A key and the comm of its card."""
    text, comm = kernel.run(CARD).strip().splitlines()[-2:]
    assert text.startswith("bago://")
    return text, comm


def test_a_view_that_asks_gets_the_key_and_nothing_else_holds_it(kernel: Any, shown: Any) -> None:
    text, comm = shown
    secret = ConnectionKey.parse(text).secret.reveal()
    begun = len(kernel.messages)
    view = kernel.hello(comm)
    kernel.run("card")
    kernel.run("print(repr(card), card.plain(), card.html(), card.get_state())")
    assert secret not in json.dumps(kernel.messages[begun:], default=str)
    kernel.send(comm, {"id": 1, "kind": "reveal", "view": view})
    got = kernel.reply(comm, id=1)["ok"]
    assert got["text"] == text and got["svg"].startswith("<svg") and 0 < got["left"] <= 600
    after = [m for m in kernel.messages[begun:] if secret in json.dumps(m, default=str)]
    assert [m["content"]["data"]["method"] for m in after] == ["custom"]


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_key_that_is_over_is_forgotten(kernel: Any, shown: Any, end: str) -> None:
    _, comm = shown
    if end == "revoked":
        kernel.run("node.revoke_key(made.id)")
    else:
        kernel.run("made = node.make_key(ttl=1); card = KeyCard(node, made); print(card.model_id)")
        comm = kernel.run("print(card.model_id)").strip()
        kernel.until("node.keys()[0].state == 'expired'")
    view = kernel.hello(comm)
    kernel.send(comm, {"id": 1, "kind": "check", "view": view})
    assert kernel.reply(comm, id=1)["ok"] is None
    assert kernel.state(comm, lambda state: state["state"] == end)["used_by"] is None
    kernel.send(comm, {"id": 2, "kind": "reveal", "view": view})
    assert end in kernel.reply(comm, id=2)["error"]
    assert kernel.run("print(card._secret)").strip() == "None"
    assert end in kernel.run("print(card.plain())")


class Recorder(NotebookClient):  # type: ignore[misc]
    """Executes a notebook and keeps what a browser would get."""

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        self.__dict__.setdefault("seen", []).append(msg)
        return super().process_message(msg, cell, cell_index)


def test_a_saved_notebook_does_not_hold_the_key(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("BAGO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BAGO_PORT", "0")
    notebook = nbformat.v4.new_notebook()
    # What a view does, done by a cell: nothing renders here.
    view = (
        "import time, ipywidgets\n"
        "from bago_jupyter.widgets import KeyCard\n"
        "card, = [w for w in ipywidgets.Widget._active_widgets.values() if isinstance(w, KeyCard)]\n"
        "sent = []; push = card.push; card.push = lambda content: (push(content), sent.append(content))\n"
        "card._handle_custom_msg({'kind': 'hello', 'view': 'v'}, [])\n"
        "card._handle_custom_msg({'kind': 'reveal', 'id': 7, 'view': 'v'}, [])\n"
        "while not (got := [content for content in sent if content.get('id') == 7]): time.sleep(0.01)\n"
        "open('secret', 'w').write(got[0]['ok']['text']);"
    )
    notebook.cells = [
        nbformat.v4.new_code_cell(code)
        for code in ("%load_ext bago_jupyter", "%bago up", "%bago key", view, "%bago keys")
    ]
    place = {"metadata": {"path": str(tmp_path)}}
    client = Recorder(notebook, kernel_name="python3", timeout=200, startup_timeout=200, resources=place)
    client.execute()
    nbformat.write(notebook, tmp_path / "saved.ipynb")
    secret = (tmp_path / "secret").read_text()
    assert secret.startswith("bago://")
    assert secret in json.dumps(client.seen, default=str), "it was never shown"
    saved = (tmp_path / "saved.ipynb").read_text()
    assert "Connection key" in saved and "application/vnd.jupyter.widget-state+json" in saved
    for part in (ConnectionKey.parse(secret).secret.reveal(), secret.removeprefix("bago://"), "<svg"):
        assert part not in saved
