"""Nodes that share the team key join on sight; others do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from mesh.hosts import Node, Nodes, both_online, until

from bago_jupyter.discovery.presence import FAREWELL

KEY = "correct horse battery staple"


@pytest.fixture(scope="module")
def team(nodes: Nodes, starter_gguf: Path) -> tuple[Node, Node]:
    shared = {"cluster_key": KEY, "advertise": True}
    ada, bob = nodes(1, "ada", **shared), nodes(2, "bob", model=starter_gguf, **shared)
    both_online(ada, bob)
    return ada, bob


def test_joined_on_sight_and_routed(team: tuple[Node, Node]) -> None:
    ada, bob = team
    until(lambda: ada.routes_to(bob))
    assert ada.paired(bob).via == bob.paired(ada).via == "team"
    assert ada.chat().headers["x-bago-node"] == "bob"


def test_a_late_third_joins_both_without_a_restart(team: tuple[Node, Node], start: Nodes) -> None:
    ada, bob = team
    before = ada.process.pid, bob.process.pid
    cyd = start(3, "cyd", cluster_key=KEY, advertise=True)
    both_online(cyd, ada)
    both_online(cyd, bob)
    until(lambda: cyd.routes_to(bob))
    assert cyd.chat().headers["x-bago-node"] == "bob"
    assert before == (ada.process.pid, bob.process.pid)
    cyd.client.shutdown()
    until(lambda: ada.state(cyd) == bob.state(cyd) == "offline")


def test_the_key_given_later_joins_live(team: tuple[Node, Node], start: Nodes) -> None:
    ada, bob = team
    cyd = start(3, "cyd", advertise=True)
    until(lambda: cyd.sees(ada) and cyd.sees(bob))
    assert cyd.client.nodes() == []
    cyd.client.configure(cluster_key=KEY)
    both_online(cyd, ada)
    both_online(cyd, bob)


def test_a_wrong_key_never_joins(team: tuple[Node, Node], start: Nodes) -> None:
    ada, bob = team
    eve = start(4, "eve", cluster_key=KEY + "r", advertise=True)
    until(lambda: eve.sees(ada) and eve.sees(bob) and ada.sees(eve) and bob.sees(eve))
    until(lambda: all("team keys differ" in node.log() for node in (eve, ada, bob)))  # all have tried
    assert eve.client.nodes() == []
    assert not ada.paired(eve) and not bob.paired(eve)
    assert KEY not in eve.log() + ada.log() + bob.log()


def test_leaving_revokes_on_both_sides_and_coming_back_works(team: tuple[Node, Node]) -> None:
    ada, bob = team
    until(lambda: ada.routes_to(bob))
    bob.client.configure(cluster_key=None)
    until(lambda: not ada.routes_to(bob))
    until(lambda: not ada.paired(bob) and not bob.paired(ada))
    assert ada.chat().status_code == 404
    assert ada.sees(bob), "it still announces itself"
    bob.client.configure(cluster_key=KEY)
    both_online(ada, bob)
    until(lambda: ada.routes_to(bob))


def test_another_key_revokes_too(team: tuple[Node, Node]) -> None:
    ada, bob = team
    bob.client.configure(cluster_key="another team altogether")
    until(lambda: not ada.paired(bob) and not bob.paired(ada))
    bob.client.configure(cluster_key=KEY)
    both_online(ada, bob)


def test_discovery_switched_off_leaves_the_mesh_until_it_is_on_again(team: tuple[Node, Node]) -> None:
    ada, bob = team
    until(lambda: ada.routes_to(bob))
    bob.client.configure(discovery=False)
    until(lambda: not ada.routes_to(bob))
    until(lambda: not ada.sees(bob))
    turns = len(ada.turns(bob))
    until(lambda: len(ada.turns(bob)) > turns or _seconds_away(ada, bob) > FAREWELL + 1)
    assert len(ada.turns(bob)) == turns, "it came back by itself"
    assert not ada.routes_to(bob)
    bob.client.configure(discovery=True)
    both_online(ada, bob)
    until(lambda: ada.routes_to(bob))


def test_a_member_removed_by_hand_stays_out(team: tuple[Node, Node], start: Nodes) -> None:
    ada, _ = team
    cyd = start(3, "cyd", cluster_key=KEY, advertise=True)
    both_online(ada, cyd)
    ada.client.remove_node(cyd.fingerprint[3:])
    until(lambda: not cyd.paired(ada))
    cyd.client.configure(cluster_key=None)
    cyd.client.configure(cluster_key=KEY)  # it may try at once again, and is refused
    until(lambda: "was removed there" in cyd.log())
    assert not ada.paired(cyd) and not cyd.paired(ada)
    ada.pair(cyd)
    assert ada.paired(cyd).via == "key"


def _seconds_away(node: Node, other: Node) -> float:
    import time

    return time.time() - node.client.paired(other.name).history[-1].at
