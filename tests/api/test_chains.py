"""Names that lead to a chain of models, as clients meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults import Call, Faults
from headless import until

import bago_jupyter as bago
from bago_jupyter.backends import HttpBackend
from bago_jupyter.client import NodeClient
from bago_jupyter.errors import InvalidRequest, NotFound
from bago_jupyter.loops import LoopThread
from bago_jupyter.settings import Settings

CHAT = "/v1/chat/completions"


async def echo(call: Call) -> None:
    """Answers with the model that it was asked for."""
    model = json.loads(call.body)["model"]
    await call.json(json.dumps({"model": model, "choices": [], "usage": {"completion_tokens": 1}}).encode())


class Host:
    """A node before two servers: ``far`` has ``codellama``, ``near`` has ``phi-3`` and ``mini``."""

    def __init__(self, home: Path):
        self.thread = LoopThread()
        self.far, self.near = Faults(echo), Faults(echo)
        backends = []
        for name, server, models in (
            ("far", self.far, ["codellama"]),
            ("near", self.near, ["phi-3", "mini"]),
        ):
            self.thread.run(server.__aenter__(), 60)
            backends.append(HttpBackend(name, server.url, models))
        values = {"home": home, "port": 0, "name": "here", "discovery": False}
        self.node = bago.Node(Settings.load(values, {}), place="thread", backends=backends)
        self.thread.run(self.node.start(), 60)
        self.client = NodeClient(self.node.file)

    def ask(self, model: str, path: str = CHAT) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        return httpx.post(self.client.url + path, json=body, timeout=60)

    def answered(self, model: str) -> tuple[str, str]:
        """The node that answered, and the model that it was asked for."""
        answer = self.ask(model)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-bago-node"], answer.json()["model"]

    def listed(self) -> dict[str, dict[str, Any]]:
        entries = httpx.get(self.client.base_url + "/models").json()["data"]
        found = {entry["id"]: entry for entry in entries}
        assert len(found) == len(entries)
        return found

    def close(self) -> None:
        self.client.close()
        self.thread.run(self.node.stop(), 60)
        for server in (self.far, self.near):
            self.thread.run(server.__aexit__(None, None, None), 60)
        self.thread.stop()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path / "home")
    yield host
    host.close()


def test_a_chain_is_tried_from_left_to_right(host: Host) -> None:
    assert host.ask("code").status_code == 404
    info = host.client.set_route("code", ["far/codellama", "phi-3"])
    assert (info.name, info.targets, info.missing) == ("code", ["far/codellama", "phi-3"], [])
    assert [host.answered("code") for _ in range(3)] == [("far", "codellama")] * 3
    host.thread.run(host.far.__aexit__(None, None, None), 60)  # nobody listens there any more
    assert host.answered("code") == ("near", "phi-3")
    assert host.client.why().model == "code"
    assert host.ask("codellama").status_code >= 500
    host.client.remove_route("code")
    assert host.ask("code").status_code == 404


def test_a_server_that_fails_is_followed_by_the_next(host: Host) -> None:
    async def busy(call: Call) -> None:
        await call.json(b'{"error":{"message":"no"}}', 503)

    host.client.set_route("code", ["codellama", "mini"])
    host.far.script = busy
    assert host.answered("code") == ("near", "mini")
    assert len(host.far.calls) >= 1


def test_a_target_that_is_not_there_is_passed_over_until_it_is(host: Host) -> None:
    info = host.client.set_route("code", ["big", "mini"])
    assert info.missing == ["big"]
    assert host.answered("code") == ("near", "mini")
    host.client.set_route("nothing", ["big", "bigger"])
    assert host.ask("nothing").status_code in (404, 503)
    assert "nothing" not in host.listed()
    assert httpx.get(host.client.base_url + "/models/nothing").status_code == 404

    big = HttpBackend("big-box", host.far.url, ["big"])

    async def add() -> None:
        host.node.dispatcher.add(big)

    host.thread.run(add(), 60)
    assert host.answered("code") == ("big-box", "big")
    assert {route.name: route.missing for route in host.client.routes()} == {
        "code": [],
        "nothing": ["bigger"],
    }
    assert "nothing" in host.listed()


def test_a_model_has_a_fallback_under_its_own_name(host: Host) -> None:
    host.client.set_route("codellama", ["codellama", "phi-3"])
    host.client.set_route("alias", ["codellama"])
    assert host.answered("codellama") == ("far", "codellama")
    entry = host.listed()["codellama"]
    assert entry["bago"]["route"] == ["codellama", "phi-3"]
    host.thread.run(host.far.__aexit__(None, None, None), 60)
    assert host.answered("codellama") == ("near", "phi-3")
    assert host.ask("alias").status_code >= 500  # it means the model, not the route of that name


def test_routes_are_listed_among_the_models(host: Host) -> None:
    host.client.set_route("code", ["far/codellama", "phi-3", "gone"])
    host.client.set_route("team a/chat", ["mini"])
    listed = host.listed()
    assert set(listed) == {"codellama", "phi-3", "mini", "code", "team a/chat"}
    entry = listed["code"]
    assert (entry["object"], entry["owned_by"]) == ("model", "bago")
    assert entry["bago"]["route"] == ["far/codellama", "phi-3", "gone"]
    places = [(place["node"], place["model"]) for place in entry["bago"]["nodes"]]
    assert places == [("far", "codellama"), ("near", "phi-3")]
    assert httpx.get(host.client.base_url + "/models/code").json() == entry
    assert httpx.get(host.client.base_url + "/models/team%20a/chat").json() == listed["team a/chat"]
    assert listed["mini"]["owned_by"] == "near" and "route" not in listed["mini"]["bago"]


def test_routes_survive_a_restart(host: Host) -> None:
    host.client.set_route("code", ["mini"])
    host.thread.run(host.node.stop(), 60)
    host.client.close()
    host.node = bago.Node(
        host.node.settings, place="thread", backends=[HttpBackend("near", host.near.url, ["mini"])]
    )
    host.thread.run(host.node.start(), 60)
    host.client = NodeClient(host.node.file)
    assert [(route.name, route.targets) for route in host.client.routes()] == [("code", ["mini"])]
    assert host.answered("code") == ("near", "mini")


def test_what_is_no_route_gets_a_sentence(host: Host) -> None:
    for targets, said in (([], "needs a model"), (["code"], "itself only"), (["a"] * 2, "twice")):
        with pytest.raises(InvalidRequest, match=said):
            host.client.set_route("code", targets)
    with pytest.raises(NotFound, match="no route 'code'"):
        host.client.remove_route("code")
    url, headers = (
        host.client.url + "/api/v1/routes",
        {"authorization": f"Bearer {host.node.file.admin_token}"},
    )
    for body in (b"{", b"{}", b'{"name":"a","targets":"b"}', b'{"name":"a","targets":["b"],"x":1}'):
        assert httpx.post(url, content=body, headers=headers).status_code == 400
    assert httpx.get(url).status_code == 401


def test_a_real_model_takes_the_place_of_one_that_is_gone(node: NodeClient) -> None:
    models = Path(node.status().home) / "models"
    (models / "first.gguf").symlink_to((models / "smol.gguf").resolve())
    until(lambda: any(model.id == "first" for model in node.models()))
    node.set_route("code", ["here/first", "smol"])
    hello = [{"role": "user", "content": "Say one word."}]

    def model() -> str:
        with node.chat(hello, model="code", max_tokens=2, temperature=0) as (reply, pieces):
            assert "".join(pieces)
        assert reply.node == "here"
        return node.why().attempts[-1].model

    assert model() == "first"
    node.unload("first")
    (models / "first.gguf").unlink()
    until(lambda: all(model.id != "first" for model in node.models()))
    assert model() == "smol"
    assert node.routes()[0].missing == ["here/first"]
    node.remove_route("code")
