"""Paired nodes on bad networks, and on networks that change."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from lan import Lan
from mesh.hosts import Node, Nodes, both_online, until

from bago_jupyter.errors import BagoError

LOSSY = 10.0
"""Seconds of packet loss; the benchmarks take longer."""


@pytest.fixture(scope="module")
def pair(nodes: Nodes, starter_gguf) -> tuple[Node, Node]:
    ada = nodes(1, "ada", advertise=True)
    bob = nodes(2, "bob", advertise=True, model=starter_gguf)
    ada.pair(bob)
    until(lambda: ada.routes_to(bob) and ada.sees(bob) and bob.sees(ada))
    return ada, bob


@pytest.fixture(autouse=True)
def fair(lan: Lan, pair: tuple[Node, Node]) -> Iterator[None]:
    """Every test starts and ends with both nodes online."""
    ada, bob = pair
    both_online(ada, bob)
    yield
    lan.loss(2, 0)
    lan.block_udp_5353(2, False)


def test_loss_is_no_departure(lan: Lan, pair: tuple[Node, Node]) -> None:
    ada, bob = pair
    before = len(ada.turns(bob)), len(bob.turns(ada))
    lan.loss(2, 0.3, both=True)
    begun = time.monotonic()
    answers = 0
    while time.monotonic() < begun + LOSSY:
        answers += ada.http.get("/v1/models").status_code == 200
        time.sleep(0.2)
    assert len(ada.turns(bob)) - before[0] <= 1
    assert len(bob.turns(ada)) - before[1] <= 1
    assert answers
    lan.loss(2, 0)
    both_online(ada, bob)


def test_paired_nodes_need_no_mdns(lan: Lan, pair: tuple[Node, Node]) -> None:
    ada, bob = pair
    lan.block_udp_5353(2)
    turns = len(ada.turns(bob))
    assert bob.client.ping("ada").latency > 0
    bob.client.share("smol", False)
    until(lambda: not ada.routes_to(bob))
    bob.client.share("smol", True)
    until(lambda: ada.routes_to(bob))
    assert ada.chat().headers["x-bago-node"] == "bob"
    assert len(ada.turns(bob)) == turns


def test_another_address_is_found(lan: Lan, pair: tuple[Node, Node]) -> None:
    """The cable is pulled, and the host comes back under another IPv4 address."""
    ada, bob = pair
    lan.down(2)
    lan.up(2, "10.77.1.202")
    try:
        until(lambda: any("10.77.1.202" in text for text in ada.paired(bob).addresses))
        both_online(ada, bob)
        until(lambda: ada.routes_to(bob))
        until(lambda: ada.chat().headers.get("x-bago-node") == "bob")
        assert [node.name for node in ada.client.nodes()] == ["bob"]
    finally:
        lan.up(2, "10.77.1.2")


@pytest.fixture
def apart(lan: Lan, start: Nodes) -> Iterator[tuple[Node, Node]]:
    """Two nodes without mDNS and IPv6, each known to the other at one address."""
    hosts = (3, 4)
    for host in hosts:
        lan.run(host, "sysctl", "-qw", "net.ipv6.conf.e0.disable_ipv6=1")
        lan.block_udp_5353(host)
    cyd, dan = start(3, "cyd"), start(4, "dan")
    cyd.pair(dan)
    yield cyd, dan
    for host in hosts:
        lan.block_udp_5353(host, False)
        lan.run(host, "sysctl", "-qw", "net.ipv6.conf.e0.disable_ipv6=0")
        lan.up(host, f"10.77.1.{host}")


def test_another_address_is_found_without_mdns(lan: Lan, apart: tuple[Node, Node]) -> None:
    """The node that moved asks its peer from where it is now; that is how the peer learns it."""
    cyd, dan = apart
    lan.down(4)
    lan._ip(4, "addr", "del", f"{lan.address(4)}/24", "dev", "e0")
    lan._ip(4, "addr", "add", "10.77.1.204/24", "dev", "e0")
    lan._address[4] = "10.77.1.204"
    lan._ip(4, "link", "set", "e0", "up")
    until(lambda: "10.77.1.204" in (_reached(cyd) or ""))
    both_online(cyd, dan)


def _reached(node: Node) -> str | None:
    """Where the peer is reached at this moment, if it is."""
    try:
        return node.client.ping("dan").address
    except BagoError:
        return None
