"""Finding each other, pairing by key and by approval, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lan import Lan
from mesh.hosts import Node, Nodes, both_online, key_state, until

from bago_jupyter.errors import BagoError


@pytest.fixture(scope="module")
def pair(nodes: Nodes, starter_gguf: Path) -> tuple[Node, Node]:
    """Two nodes that announce themselves; the second has the model."""
    return nodes(1, "ada", advertise=True), nodes(2, "bob", advertise=True, model=starter_gguf)


@pytest.fixture
def strangers(pair: tuple[Node, Node]) -> tuple[Node, Node]:
    """The same, not paired."""
    for node, other in (pair, pair[::-1]):
        if node.paired(other):
            node.client.remove_node(other.fingerprint[3:])  # it may still be known by an older name
        until(lambda other=other, node=node: not other.paired(node))
    return pair


def test_seen_with_everything_it_announces(strangers: tuple[Node, Node], lan: Lan) -> None:
    ada, bob = strangers
    seen = until(lambda: ada.sees(bob))
    assert seen.name == "bob"
    assert f"{lan.address(2)}:{bob.port}" in seen.addresses
    assert seen.version and seen.engines
    assert until(lambda: (ada.sees(bob) or seen).model_count == 1)
    assert seen.age is not None and 0 <= seen.age < 60
    assert not seen.paired
    assert until(lambda: bob.sees(ada))
    assert ada.sees(ada) is None


def test_key_pairs_both_and_their_models_are_routed(strangers: tuple[Node, Node]) -> None:
    ada, bob = strangers
    key = bob.client.make_key()
    assert ada.client.connect(str(key.text)).fingerprint == bob.fingerprint
    both_online(ada, bob)
    until(lambda: ada.routes_to(bob))
    assert ada.models()["smol"] == {"bob"}
    assert [model.id for model in ada.offers(bob)] == ["smol"]
    assert ada.paired(bob).via == "key"
    until(lambda: ada.sees(bob) and ada.sees(bob).paired)
    assert key_state(bob, key.id) == "used"
    assert ada.client.ping("bob").latency > 0


def test_key_of_one_interface_names_only_its_addresses(pair: tuple[Node, Node], lan: Lan) -> None:
    _, bob = pair
    key = bob.client.make_key(interface="e0", ttl=60)
    assert key.addresses
    assert all(lan.address(2) in text or "fd77::2" in text for text in key.addresses)
    with pytest.raises(BagoError, match="e0"):
        bob.client.make_key(interface="nope0")


def test_catalogue_follows_the_library_and_the_switch(
    strangers: tuple[Node, Node], starter_gguf: Path
) -> None:
    ada, bob = strangers
    ada.pair(bob)
    until(lambda: ada.routes_to(bob))
    new = bob.home.root / "models" / "second.gguf"
    new.symlink_to(starter_gguf)
    until(lambda: ada.routes_to(bob, "second"))
    bob.client.share("second", False)
    until(lambda: not ada.routes_to(bob, "second"))
    assert ada.routes_to(bob)
    assert "second" in bob.models()
    bob.client.share("second", True)
    until(lambda: ada.routes_to(bob, "second"))
    new.unlink()
    until(lambda: not ada.routes_to(bob, "second"))


def test_a_live_node_takes_a_new_name_to_its_peers(strangers: tuple[Node, Node]) -> None:
    ada, bob = strangers
    ada.pair(bob)
    try:
        bob.client.configure(name="robert")
        until(lambda: ada.sees(bob) and ada.sees(bob).name == "robert")
        until(lambda: ada.paired(bob).name == "robert")
        until(lambda: ada.models()["smol"] == {"robert"})
    finally:
        bob.client.configure(name="bob")
    until(lambda: ada.sees(bob) and ada.sees(bob).name == "bob")


def test_approval_shows_one_code_on_both_sides(strangers: tuple[Node, Node]) -> None:
    ada, bob = strangers
    until(lambda: ada.sees(bob))
    asked = ada.client.request("bob")
    incoming = until(lambda: [r for r in bob.client.requests() if r.direction == "incoming"])[-1]
    assert (incoming.name, incoming.fingerprint) == ("ada", ada.fingerprint)
    assert incoming.code == asked.code and len(asked.code) >= 6
    assert not ada.paired(bob) and not bob.paired(ada)
    with pytest.raises(BagoError, match="not approved"):
        ada.client.decide("bob", "confirm")
    bob.client.decide(incoming.id, "approve")
    until(
        lambda: [r for r in ada.client.requests() if r.fingerprint == bob.fingerprint][-1].state == "approved"
    )
    assert not ada.paired(bob)
    ada.client.decide("bob", "confirm")
    both_online(ada, bob)
    assert ada.paired(bob).via == bob.paired(ada).via == "approval"


def test_refused_request_pairs_nobody(strangers: tuple[Node, Node]) -> None:
    ada, bob = strangers
    until(lambda: ada.sees(bob))
    ada.client.request("bob")
    incoming = until(
        lambda: [r for r in bob.client.requests() if r.direction == "incoming" and r.state == "waiting"]
    )[-1]
    bob.client.decide(incoming.id, "refuse")
    until(
        lambda: [r for r in ada.client.requests() if r.fingerprint == bob.fingerprint][-1].state == "refused"
    )
    with pytest.raises(BagoError):
        ada.client.decide("bob", "confirm")
    assert not ada.paired(bob) and not bob.paired(ada)


def test_cancelled_request_cannot_be_approved(strangers: tuple[Node, Node]) -> None:
    ada, bob = strangers
    until(lambda: ada.sees(bob))
    ada.client.request("bob")
    incoming = until(
        lambda: [r for r in bob.client.requests() if r.direction == "incoming" and r.state == "waiting"]
    )[-1]
    ada.client.decide("bob", "cancel")
    until(lambda: not [r for r in bob.client.requests() if r.id == incoming.id and r.state == "waiting"])
    with pytest.raises(BagoError):
        bob.client.decide(incoming.id, "approve")
    assert not ada.paired(bob) and not bob.paired(ada)
