"""Bookkeeping of discovered nodes; time is made up."""

from __future__ import annotations

import tracemalloc

from bago_jupyter.discovery.record import Announcement
from bago_jupyter.discovery.registry import MAX_ADDRESSES, MAX_INSTANCES, Registry

OWN = "fp_" + "ff" * 32


def said(n: int, **fields) -> Announcement:
    return Announcement(
        **{"name": f"node {n}", "fingerprint": f"fp_{n:064x}", "port": 8080, "version": "1", **fields}
    )


def kinds(changes) -> list[str]:
    return [change.kind for change in changes]


def test_a_node_appears_once_changes_and_says_goodbye() -> None:
    registry = Registry(OWN)
    assert kinds(registry.seen(0, "a", said(1), ["10.0.0.1"], interface="eth0")) == ["appeared"]
    assert registry.seen(25, "a", said(1), ["10.0.0.1"], interface="eth0") == []
    assert kinds(registry.seen(26, "a", said(1, models=3, engines=("mlx",)), ["10.0.0.1"])) == ["changed"]
    assert kinds(registry.seen(27, "a", said(1, models=3, engines=("mlx",)), ["10.0.0.2"])) == ["changed"]
    (node,) = registry.nodes(28)
    assert (node.first_seen, node.last_seen, node.addresses) == (0, 27, ("10.0.0.2",))
    (gone,) = registry.goodbye(30, "a")
    assert (gone.kind, gone.reason, gone.node.fingerprint) == ("gone", "said goodbye", said(1).fingerprint)
    assert registry.nodes(30) == []
    assert registry.goodbye(30, "a") == []


def test_staleness_is_filtered_on_read_and_swept_with_a_reason() -> None:
    registry = Registry(OWN)
    registry.seen(0, "a", said(1), ["10.0.0.1"])
    assert len(registry.nodes(90)) == 1
    assert registry.sweep(90) == []
    assert registry.nodes(90.1) == []
    assert registry.get(90.1, said(1).fingerprint) is None
    (gone,) = registry.sweep(91)
    assert (gone.kind, gone.reason) == ("gone", "was not heard for 90 s")
    assert registry.sweep(92) == []
    assert kinds(registry.seen(93, "a", said(1), ["10.0.0.1"])) == ["appeared"]


def test_a_stale_node_that_returns_before_the_sweep_was_gone() -> None:
    registry = Registry(OWN)
    registry.seen(0, "a", said(1), ["10.0.0.1"])
    assert kinds(registry.seen(100, "a", said(1), ["10.0.0.1"])) == ["gone", "appeared"]


def test_the_own_fingerprint_is_filtered_whoever_announces_it() -> None:
    registry = Registry(OWN)
    assert registry.seen(0, "me", said(1, fingerprint=OWN), ["10.0.0.1"], source="10.0.0.66") == []
    assert registry.nodes(0) == []
    assert registry.heard_self == 0


def test_equal_names_are_two_nodes() -> None:
    registry = Registry(OWN)
    registry.seen(0, "same 1", said(1, name="same"), ["10.0.0.1"])
    registry.seen(0, "same 2", said(2, name="same"), ["10.0.0.2"])
    assert len(registry.nodes(0)) == 2


def test_a_restart_under_another_name_is_no_duplicate() -> None:
    registry = Registry(OWN)
    registry.seen(0, "old", said(1, name="old"), ["10.0.0.1"])
    assert kinds(registry.seen(10, "new", said(1, name="new"), ["10.0.0.2"])) == ["changed"]
    (node,) = registry.nodes(10)
    assert node.announcement.name == "new"
    assert node.addresses == ("10.0.0.2", "10.0.0.1")
    assert kinds(registry.goodbye(11, "old")) == ["changed"]
    assert registry.nodes(11)[0].addresses == ("10.0.0.2",)
    registry.seen(20, "old", said(1, name="old"), ["10.0.0.1"])
    registry.seen(80, "new", said(1, name="new"), ["10.0.0.2"])
    assert "gone" not in kinds(registry.sweep(111))
    assert len(registry.nodes(111)) == 1


def test_an_instance_that_takes_another_fingerprint_is_another_node() -> None:
    registry = Registry(OWN)
    registry.seen(0, "a", said(1), ["10.0.0.1"])
    assert kinds(registry.seen(1, "a", said(2), ["10.0.0.1"])) == ["gone", "appeared"]
    assert [node.fingerprint for node in registry.nodes(1)] == [said(2).fingerprint]


def test_hearing_it_on_two_interfaces_is_no_change() -> None:
    registry = Registry(OWN)
    registry.seen(0, "a", said(1), ["10.0.0.1"], interface="eth0")
    assert registry.seen(1, "a", said(1), ["10.0.0.1"], interface="wlan0") == []
    assert kinds(registry.seen(2, "a", said(1), ["10.1.0.1"], interface="wlan0")) == ["changed"]


def test_announcers_and_addresses_of_one_node_are_bounded() -> None:
    registry = Registry(OWN)
    for n in range(100):
        registry.seen(n * 0.01, f"i{n}", said(1), [f"10.0.{n}.{m}" for m in range(200)])
    assert len(registry) == 1
    assert len(registry.nodes(1)[0].addresses) == MAX_ADDRESSES
    assert len(registry.nodes(1)) == 1
    gone = [kinds(registry.goodbye(2, f"i{n}")) for n in range(100)]
    assert sum(bool(changes) for changes in gone) <= MAX_INSTANCES


def test_one_source_cannot_bring_more_than_its_share() -> None:
    registry = Registry(OWN, newcomers=64, newcomers_per_second=2)
    for n in range(1000):
        registry.seen(0, f"i{n}", said(n), ["10.0.0.66"], source="10.0.0.66")
    assert len(registry) == 64
    assert registry.refused == 936
    registry.seen(1, "more", said(5000), ["10.0.0.66"], source="10.0.0.66")
    assert len(registry) == 65


def test_a_flood_pushes_nobody_out_and_lets_newcomers_in() -> None:
    registry = Registry(OWN, limit=100)
    for n in range(20):
        registry.seen(0, f"good {n}", said(n), [f"10.0.0.{n}"], source=f"10.0.0.{n}")
    for n in range(5000):
        source = f"10.9.0.{n % 10}"
        registry.seen(1 + n / 1000, f"bad {n}", said(10_000 + n), [source], source=source)
    assert len(registry) == 100
    changes = registry.seen(7, "late", said(50), ["10.0.0.50"], source="10.0.0.50")
    assert kinds(changes) == ["gone", "appeared"]
    assert changes[0].node.instance.startswith("bad")
    listed = {node.fingerprint for node in registry.nodes(7)}
    assert {said(n).fingerprint for n in [*range(20), 50]} <= listed


def test_spoofed_sources_do_not_push_out_what_is_listed() -> None:
    registry = Registry(OWN, limit=100)
    for n in range(20):
        registry.seen(0, f"good {n}", said(n), [f"10.0.0.{n}"], source=f"10.0.0.{n}")
    tracemalloc.start()
    for n in range(20_000):
        registry.seen(1, f"bad {n}", said(10_000 + n), ["10.9.0.1"], source=f"10.{n >> 8}.{n & 255}.1")
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 1_000_000
    assert len(registry) == 100
    assert {said(n).fingerprint for n in range(20)} <= {node.fingerprint for node in registry.nodes(2)}


def test_clearing_names_the_reason() -> None:
    registry = Registry(OWN)
    registry.seen(0, "a", said(1), ["10.0.0.1"])
    (gone,) = registry.clear(1, "discovery was switched off")
    assert gone.reason == "discovery was switched off"
    assert registry.nodes(1) == []
