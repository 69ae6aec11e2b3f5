"""How a node that goes, dies, freezes or is removed leaves the routing of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from mesh.hosts import Node, Nodes, both_online, until

LONG = {
    "model": "bob/smol",
    "messages": [{"role": "user", "content": "Count."}],
    "stream": True,
    "max_tokens": 900,
    "ignore_eos": True,
}


@pytest.fixture(scope="module")
def ada(nodes: Nodes, starter_gguf: Path) -> Node:
    """The one that stays; it has the model too, and would rather ask the others."""
    ada = nodes(1, "ada", model=starter_gguf)
    ada.client.load("smol")
    return ada


@pytest.fixture
def bob(ada: Node, start: Nodes, starter_gguf: Path):
    bob = start(2, "bob", model=starter_gguf)
    ada.pair(bob)
    until(lambda: ada.routes_to(bob))
    yield bob
    if ada.paired(bob):
        ada.client.remove_node(bob.fingerprint[3:])


def test_shutdown_is_told(ada: Node, bob: Node) -> None:
    bob.client.shutdown()
    until(lambda: not ada.routes_to(bob))
    gone = until(lambda: ada.state(bob) == "offline" and ada.paired(bob))
    assert "shut down" in gone.reason
    assert gone.models == []
    assert ada.chat().headers["x-bago-node"] == "ada"


def test_interrupt_is_told_too(ada: Node, bob: Node) -> None:
    bob.process.popen.terminate()
    until(lambda: ada.state(bob) == "offline")
    assert "shut down" in ada.paired(bob).reason


def test_killed_is_noticed(ada: Node, bob: Node) -> None:
    bob.process.kill()
    until(lambda: not ada.routes_to(bob))
    until(lambda: ada.state(bob) == "offline")
    assert "refused" in ada.paired(bob).reason
    assert ada.chat().headers["x-bago-node"] == "ada"


def test_back_under_the_same_identity(ada: Node, bob: Node, start: Nodes) -> None:
    """No ghost, no duplicate, no new pairing; on another port than before."""
    bob.kill()
    until(lambda: ada.state(bob) == "offline")
    again = start(2, "bob", home=bob.home.root, port=bob.port + 7)
    assert again.fingerprint == bob.fingerprint and again.port != bob.port
    both_online(ada, again)
    until(lambda: ada.routes_to(again))
    assert [node.name for node in ada.client.nodes()] == ["bob"]
    assert ada.models()["smol"] == {"ada", "bob"}
    assert ada.chat(model="bob/smol").headers["x-bago-node"] == "bob"


def test_a_quick_restart_is_one_node_that_restarted(ada: Node, bob: Node, start: Nodes) -> None:
    bob.kill()
    again = start(2, "bob", home=bob.home.root, port=bob.port)
    until(lambda: any("restarted" in turn.reason for turn in ada.client.paired("bob").history))
    both_online(ada, again)
    until(lambda: ada.routes_to(again))
    assert len(ada.client.nodes()) == 1


def test_frozen_fails_over_and_is_left_out(ada: Node, bob: Node) -> None:
    """The kernel goes on accepting for a stopped process, so only silence tells."""
    bob.client.load("smol")
    try:
        with ada.http.stream("POST", "/v1/chat/completions", json=LONG) as running:
            pieces = running.iter_text()
            next(pieces)
            bob.process.freeze()
            for _ in range(4):  # some of them are sent there first
                answer = ada.chat()
                assert answer.status_code == 200
                assert answer.headers["x-bago-node"] == "ada"
            rest = "".join(pieces)
        assert "error" in rest, "an answer under way ends in words"
        until(lambda: not ada.routes_to(bob))
        assert "does not answer" in ada.paired(bob).reason
        assert ada.chat().headers["x-bago-attempts"] == "1"
    finally:
        bob.process.thaw()
    until(lambda: ada.routes_to(bob))


def test_removed_is_told_and_cut_off(ada: Node, bob: Node) -> None:
    bob.client.load("smol")
    with ada.http.stream("POST", "/v1/chat/completions", json=LONG) as answer:
        pieces = answer.iter_text()
        next(pieces)
        bob.client.remove_node("ada")
        rest = "".join(pieces)
    assert "error" in rest, "what ran there was cut"
    until(lambda: not ada.paired(bob))
    assert not bob.client.nodes()
    assert "bob" not in ada.models()["smol"]
    assert ada.chat(model="bob/smol").status_code == 404
    until(lambda: not any(slot.busy for slot in bob.client.slots("smol")))


def test_the_remover_asks_no_more_either(ada: Node, bob: Node) -> None:
    ada.client.remove_node("bob")
    until(lambda: not bob.paired(ada))
    assert not ada.routes_to(bob)


def test_removed_while_away_finds_out(ada: Node, bob: Node, start: Nodes) -> None:
    """Nobody could tell it; it is refused when it comes back."""
    bob.kill()
    until(lambda: ada.state(bob) == "offline")
    ada.client.remove_node("bob")
    again = start(2, "bob", home=bob.home.root, port=bob.port)
    until(
        lambda: "refused" in (again.paired(ada).reason or "") or "answer" in (again.paired(ada).reason or "")
    )
    assert not ada.client.nodes()
    assert "ada" not in again.models().get("smol", ())
