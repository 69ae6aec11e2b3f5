"""A paired node that calls itself like this one, and offers other weights under the name of its model."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from conformance.models import make_caller
from mesh.hosts import Node, Nodes, both_online, until

from bago_jupyter.errors import BagoError
from bago_jupyter.wire import ModelInfo


@pytest.fixture(scope="module")
def pair(nodes: Nodes, starter_gguf: Path) -> tuple[Node, Node]:
    ada = nodes(1, "ada", model=starter_gguf, threads=1)
    home = nodes.lan.folder / "eve"
    make_caller(starter_gguf, home / "models" / "smol.gguf")
    eve = nodes(2, "ada", home=home, slots=256, context_length=256, threads=1)
    for node in (ada, eve):
        until(lambda node=node: node.client.models()[0].digest)
    ada.pair(eve)
    until(lambda: (found := ada.offers(eve)) and found[0].digest)
    return ada, eve


@pytest.fixture
def ada(pair: tuple[Node, Node]) -> Node:
    return pair[0]


@pytest.fixture
def eve(pair: tuple[Node, Node]) -> Node:
    return pair[1]


def called(node: Node) -> str:
    return f"ada-{node.fingerprint[3:11]}"


def places(node: Node, model: str) -> set[str]:
    listed = node.http.get(f"/v1/models/{model}").json()["bago"]["nodes"]
    return {place["backend"].partition(":")[0] for place in listed}


def test_no_prompt_for_the_own_model_goes_there(ada: Node, eve: Node) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ada.chat(max_tokens=2).headers["x-request-id"]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    decisions = [ada.client.why(id) for id in answers]
    assert {attempt.backend for decision in decisions for attempt in decision.attempts} == {"local"}
    (rejection,) = decisions[0].rejections
    assert (rejection.gate, rejection.node) == ("weights", called(eve))
    assert f"{called(eve)}/smol" in rejection.reason
    assert eve.client.decisions() == []


def test_the_catalogue_shows_both(ada: Node, eve: Node) -> None:
    listed = {entry["id"]: entry["bago"] for entry in ada.http.get("/v1/models").json()["data"]}
    assert listed["smol"]["others"] == [f"{called(eve)}/smol"]
    digests = {id: {place["digest"] for place in bago["nodes"]} for id, bago in listed.items()}
    assert len(digests["smol"]) == len(digests[f"{called(eve)}/smol"]) == 1
    assert digests["smol"] != digests[f"{called(eve)}/smol"]
    (offered,) = ada.offers(eve)
    assert offered.nodes == [called(eve)] and f"{called(eve)}/smol" in str(offered.other)
    drawn = {node.backend: node for node in ada.client.topology().nodes if node.rank == "model"}
    assert drawn["backend:local"].reason is None
    assert f"{called(eve)}/smol" in str(drawn[f"backend:peer:{eve.fingerprint[3:11]}"].reason)


def test_both_names_and_both_callers_are_told_apart(ada: Node, eve: Node) -> None:
    assert [node.name for node in ada.client.nodes()] == [called(eve)]
    assert ada.client.paired(called(eve)).fingerprint == eve.fingerprint
    answer = ada.chat(model=f"{called(eve)}/smol", max_tokens=1)
    assert (answer.status_code, answer.headers["x-bago-node"]) == (200, called(eve)), answer.text
    assert until(eve.client.decisions)[0].caller == f"peer:{called(ada)}"
    counted = {row.caller for row in eve.client.stats(by=["caller"])}
    assert counted == {f"peer:{called(ada)}"}
    assert ada.chat(model="ada/smol", max_tokens=1).headers["x-bago-node"] == "ada"


def test_the_owner_may_join_them_and_they_stay_joined(ada: Node, eve: Node, nodes: Nodes) -> None:
    (theirs,) = ada.offers(eve)
    own = ada.client.models()[0]
    with pytest.raises(BagoError, match="names no weights"):
        ada.client.join("smol", ["ffffffffffff"])
    joined = ada.client.join("smol", [digits(theirs)])
    assert set(joined.digests) == {own.digest, theirs.digest}
    assert places(ada, "smol") == {"local", "peer"}
    assert ada.offers(eve)[0].other is None
    assert not ada.client.why(ada.chat(max_tokens=1).headers["x-request-id"]).rejections
    ada.process.close()
    again = nodes(1, "ada", home=ada.home.root, threads=1)
    both_online(again, eve)
    until(lambda: places(again, "smol") == {"local", "peer"})
    assert again.client.join("smol").digests == []
    assert places(again, "smol") == {"local"}


def digits(model: ModelInfo) -> str:
    return str(model.digest).removeprefix("sha256:")[:12]
