"""The nodes view in a real kernel, with real nodes: what its requests do, and what of it is stored."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from badmodel import NAMES, BadModel
from headless import Headless, until
from nbclient import NotebookClient
from views import View

from bago_jupyter.trust.connection_key import ConnectionKey

UP = (
    "from bago_jupyter import launch; from bago_jupyter.widgets import NodesView, pump\n"
    "node = launch.up(port=0, name='study')\nview = NodesView(node); print(view.model_id)"
)
ATTIC = "attic <i>1</i>"


@pytest.fixture
def attic(tmp_path: Path) -> Iterator[Headless]:
    node = Headless(tmp_path / "attic", ATTIC)
    yield node
    node.close()


@pytest.fixture
def view(kernel: Any) -> View:
    return View(kernel, UP)


def test_a_peer_is_connected_changed_tested_and_removed(view: View, attic: Headless) -> None:
    key = attic.client.make_key().text
    assert view.must("connect", key=key)["name"] == ATTIC
    (peer,) = view.shown()["nodes"]
    node = peer["fingerprint"]
    view.until(lambda seen: seen["nodes"] and seen["nodes"][0]["state"] == "online")
    changes = {
        "priority": 3,
        "weight": 2.5,
        "max_load_percent": 40,
        "in_routing": False,
        "allow_control": True,
    }
    for name, value in changes.items():
        view.must("change_node", node=node, changes={name: value})
        assert view.shown()["nodes"][0][name] == value, "the answer came before what it changed"
    assert "priority" in view.refused("change_node", node=node, changes={"priority": 7.5})
    assert "weight" in view.refused("change_node", node=node, changes={"weight": -1})
    assert "changes" in view.refused("change_node", node=node)
    assert view.must("ping", node=node)["latency"] > 0
    hops = view.must("test", node=node)
    assert [hop["ok"] for hop in hops] == [True, True, False]
    assert "shares no model" in hops[-1]["said"]
    view.must("remove_node", node=node)
    assert view.shown()["nodes"] == []
    until(lambda: not attic.client.nodes())
    assert "no paired node" in view.refused("ping", node=node).lower()


def test_a_test_ends_with_a_token(kernel: Any, tmp_path: Path, starter_gguf: Path) -> None:
    cellar = Headless(tmp_path / "cellar", "cellar", starter_gguf)
    try:
        cellar.client.load("smol")
        view = View(kernel, UP)
        node = view.must("connect", key=cellar.client.make_key().text)["fingerprint"]
        view.until(lambda seen: seen["nodes"] and seen["nodes"][0]["model_count"])
        hops = view.must("test", node=node)
        assert [hop["name"] for hop in hops] == ["paired", "reached", "models", "one token"]
        assert all(hop["ok"] for hop in hops), hops
    finally:
        cellar.close()


def test_both_sides_decide_about_a_request(view: View, attic: Headless) -> None:
    attic.client.configure(advertise=True, name=ATTIC)
    fingerprint = attic.client.status().fingerprint
    until(lambda: fingerprint in [node["fingerprint"] for node in view.must("discovered")])
    asked = view.must("ask", node=fingerprint)
    (incoming,) = until(attic.client.requests)
    assert incoming.code == asked["code"] == view.shown()["requests"][0]["code"]
    attic.client.decide(incoming.id, "refuse")
    view.until(lambda seen: [request["state"] for request in seen["requests"]] == ["refused"])
    assert "has not approved" in view.refused("decide", request=asked["id"], decision="confirm")
    view.must("decide", request=asked["id"], decision="cancel")
    assert view.shown()["requests"] == []


def test_the_kernel_says_what_a_request_lacks(view: View) -> None:
    assert "'key'" in view.refused("connect")
    assert "bago://" in view.refused("connect", key="hello")
    assert "name, a type" in view.refused("add_connection", wanted={"home": "/"})
    assert "no request" in view.refused("gossip")
    assert "export default" in view.must("decoder") or "export{" in view.must("decoder")


def test_a_connection_is_forced_changed_and_some_of_its_models_are_used(view: View) -> None:
    with BadModel() as server, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # it has the port, and does not listen
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        wanted = {"name": "cloud", "type": "openai", "url": url, "secret": "", "models": []}
        failed = view.ask("add_connection", wanted=wanted)
        assert failed["code"] == "connection_failed" and "nothing listens there" in failed["error"]
        assert "--" not in failed["error"]
        assert view.must("add_connection", wanted={**wanted, "force": True}) is None
        assert view.shown()["connections"][0]["url"] == url
        assert "not changed" in view.refused("change_connection", name="cloud", changes={"url": url + "/x"})
        view.must("change_connection", name="cloud", changes={"url": server.url})
        view.until(lambda seen: [entry["model_count"] for entry in seen["connections"]] == [2])
        listed = view.must("connection_models", name="cloud")
        assert listed["all"] and [selected for _, selected in listed["models"]] == [True, True]
        assert view.must("select_models", name="cloud", models=[NAMES[0]]) == {"used": 1, "of": 2}
        assert view.shown()["connections"][0]["models"] == [NAMES[0]]
        listed = view.must("connection_models", name="cloud")
        assert not listed["all"] and sorted(selected for _, selected in listed["models"]) == [False, True]
        assert "lists no" in view.refused("select_models", name="cloud", models=["nope"])
        assert "a model at least" in view.refused("select_models", name="cloud", models=[])
        assert view.must("select_models", name="cloud", models=None)["used"] == 2


def test_a_key_lives_as_long_as_it_is_told(view: View) -> None:
    assert 500 < view.must("make_key")["left"] <= 600
    made = view.must("make_key", ttl=3600, name="the study", interface="")
    assert 3500 < made["left"] <= 3600 and made["name"] == "the study"
    assert [key["name"] for key in view.shown()["keys"]].count("the study") == 1
    assert "there are:" in view.refused("make_key", interface="no-such")


def test_a_calm_view_costs_the_browser_nothing(view: View) -> None:
    view.kernel.run("pump.REFRESH = 0.1; seen = []; old = view.gather")
    view.kernel.run("view.gather = lambda client: (seen.append(1), old(client))[1]")
    begun = len(view.kernel.messages)
    view.kernel.until("len(seen) > 5")
    shown = [
        message
        for message in view.kernel.messages[begun:]
        if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == view.comm
    ]
    assert len(shown) <= 1


def test_a_saved_notebook_holds_no_secret(tmp_path: Path, monkeypatch: Any, attic: Headless) -> None:
    monkeypatch.setenv("BAGO_HOME", str(tmp_path / "home"))
    given, api_key = attic.client.make_key().text or "", "sk-of-the-attic-0123456789"
    attic.client.configure(api_key=api_key)
    (tmp_path / "given").write_text(given)
    (tmp_path / "api_key").write_text(api_key)
    # What a browser does, done by a cell: nothing renders here.
    asks = (
        "import time\n"
        "sent = []; push = view.push; view.push = lambda content: (push(content), sent.append(content))\n"
        "view._handle_custom_msg({'kind': 'hello', 'view': 'v'}, [])\n"
        "def ask(kind, **fields):\n"
        "    begun, id = len(sent), sum(map(ord, kind))\n"
        "    view._handle_custom_msg({'kind': kind, 'id': id, 'view': 'v', **fields}, [])\n"
        "    while not (got := [said for said in sent[begun:] if said.get('id') == id]): time.sleep(0.01)\n"
        "    return got[0].get('ok')\n"
        "ask('connect', key=open('given').read())\n"
        "wanted = {'name': 'cloud', 'url': URL, 'secret': open('api_key').read(), 'force': True}\n"
        "ask('add_connection', wanted=wanted)\n"
        "open('made', 'w').write(ask('make_key')['text'])\n"
        "while 'cloud' not in str(view.get_state()['snapshot']): time.sleep(0.01)"
    ).replace("URL", repr(attic.client.status().url))
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(code) for code in (f"{UP}\nview", asks, "view")]
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(
        notebook, kernel_name="python3", timeout=200, startup_timeout=200, resources=place
    ).execute()
    nbformat.write(notebook, tmp_path / "saved.ipynb")
    saved = (tmp_path / "saved.ipynb").read_text()
    made = (tmp_path / "made").read_text()
    assert made.startswith("bago://")
    state = json.loads(saved)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert any(entry["state"].get("snapshot", {}).get("view") for entry in state.values())
    assert "Nodes of study" in saved and "cloud" in saved and "attic &lt;i&gt;" in saved
    assert "<i>1</i>" not in json.loads(saved)["cells"][2]["outputs"][0]["data"]["text/html"]
    for key in (made, given):  # HTML writes the & in a key otherwise, and nothing in its secret
        for part in (key.removeprefix("bago://"), ConnectionKey.parse(key).secret.reveal()):
            assert part not in saved
    assert api_key not in saved
