"""``plan()``: gates, order, and what must hold for every table."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.router import POLICIES, Breakers, Load, Offer, Plan, Shape, Table, plan

Loads = dict[tuple[str, str], Load]
GENERATE = frozenset({"generate"})


def offer(backend: str, **fields: Any) -> Offer:
    return Offer(**{"backend": backend, "node": backend, "model": "m", "tasks": GENERATE, **fields})


def decide(shape: Shape, *offers: Offer, loads: Loads | None = None, **more: Any) -> Plan:
    more = {"breakers": Breakers(), "now": 0.0, **more}
    return plan(shape, Table(offers), loads=loads or {}, **more)


SHAPE = Shape(model="m", prompt_tokens=100, least_tokens=25)


@pytest.mark.parametrize(
    ("shape", "fields", "gate"),
    [
        (Shape(model="m", task="embed"), {}, "task"),
        (SHAPE, {"health": "unhealthy", "reason": "no answer for 9 s"}, "health"),
        (SHAPE, {"health": "disabled"}, "health"),
        (SHAPE, {"state": "failed"}, "file"),
        (Shape(model="m", local_only=True), {"local": False}, "local-only"),
        (Shape(model="m", relayed=True), {"peer": True}, "relayed"),
        (Shape(model="m", least_tokens=11), {"context_length": 10}, "context"),
    ],
)
def test_each_gate_refuses_with_a_reason(shape: Shape, fields: dict[str, Any], gate: str) -> None:
    got = decide(shape, offer("bad", **fields), offer("good", local=True, tasks={"generate", "embed"}))
    assert [entry.gate for entry in got.rejections] == [gate]
    assert got.rejections[0].reason
    assert [entry.backend for entry in got.offers] == ["good"]


def test_an_open_breaker_refuses_others_but_not_the_local_runner() -> None:
    breakers = Breakers()
    for backend in ("away", "here"):
        for _ in range(3):
            breakers.of(backend, "m").failed(0.0, "reset")
    offers = (offer("away"), offer("here", local=True))
    assert [entry.backend for entry in decide(SHAPE, *offers, breakers=breakers).offers] == ["here"]
    later = decide(SHAPE, *offers, breakers=breakers, now=2.0)
    assert {entry.backend for entry in later.offers} == {"away", "here"}


def test_balanced_counts_reserved_work_so_that_a_burst_spreads() -> None:
    loads: Loads = {(name, "m"): Load(speed=50.0) for name in ("a", "b")}
    chosen = []
    for _ in range(8):
        best = decide(SHAPE, offer("a"), offer("b"), loads=loads).offers[0]
        loads[best.backend, "m"].reserve(SHAPE.work)
        chosen.append(best.backend)
    assert chosen.count("a") == chosen.count("b") == 4


def test_balanced_prefers_the_fast_node_until_its_queue_is_long() -> None:
    loads: Loads = {("fast", "m"): Load(speed=200.0), ("slow", "m"): Load(speed=50.0)}
    chosen = []
    for _ in range(10):
        best = decide(SHAPE, offer("fast"), offer("slow"), loads=loads).offers[0]
        loads[best.backend, "m"].reserve(SHAPE.work)
        chosen.append(best.backend)
    assert chosen[:3] == ["fast"] * 3
    assert 7 <= chosen.count("fast") <= 9


def test_a_node_can_be_named_and_a_plain_name_with_a_slash_wins() -> None:
    both = (offer("a"), offer("b"))
    assert [entry.backend for entry in decide(Shape(model="b/m"), *both).offers] == ["b"]
    slashed = offer("c", model="b/m")
    assert [entry.backend for entry in decide(Shape(model="b/m"), *both, slashed).offers] == ["c"]


def test_nothing_offered_means_nothing_rejected() -> None:
    got = decide(Shape(model="other"), offer("a"))
    assert (got.offers, got.rejections) == ((), ())


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(KeyError):
        decide(SHAPE, offer("a"), policy="best")


def test_a_share_of_a_nodes_slots_is_kept_free() -> None:
    loads: Loads = {("a", "m"): Load(in_flight=2)}
    got = decide(SHAPE, offer("a", slots=4, max_load_percent=50), offer("b"), loads=loads)
    assert [entry.gate for entry in got.rejections] == ["max-load"]
    loads["a", "m"].in_flight = 1
    assert len(decide(SHAPE, offer("a", slots=4, max_load_percent=50), loads=loads).offers) == 1


offers = st.builds(
    Offer,
    backend=st.sampled_from([f"b{number}" for number in range(8)]),
    node=st.sampled_from(["n1", "n2", "n3"]),
    model=st.sampled_from(["m", "other", "n1/m"]),
    tasks=st.frozensets(st.sampled_from(["generate", "embed", "rerank"])),
    state=st.sampled_from(["ready", "loading", "available", "failed"]),
    health=st.sampled_from(["healthy", "warming", "unhealthy", "disabled", "unknown"]),
    context_length=st.none() | st.integers(1, 4096),
    local=st.booleans(),
    peer=st.booleans(),
    slots=st.integers(1, 8),
    priority=st.integers(-3, 3),
)
tables = st.lists(offers, max_size=12, unique_by=lambda entry: (entry.backend, entry.model))
shapes = st.builds(
    Shape,
    model=st.sampled_from(["m", "n1/m", "n2/m", "none"]),
    task=st.sampled_from(["generate", "embed", "rerank"]),
    prompt_tokens=st.integers(0, 8192),
    least_tokens=st.integers(0, 2048),
    max_tokens=st.none() | st.integers(0, 512),
    local_only=st.booleans(),
    relayed=st.booleans(),
)
loads_of = st.dictionaries(
    st.tuples(st.sampled_from([f"b{number}" for number in range(8)]), st.sampled_from(["m", "n1/m"])),
    st.builds(
        Load,
        in_flight=st.integers(0, 9),
        work=st.integers(0, 9999),
        speed=st.floats(0.1, 1e4),
        latency=st.floats(0, 1),
    ),
)


@given(shapes, tables, loads_of, st.sampled_from(sorted(POLICIES)), st.randoms(use_true_random=False))
def test_what_holds_for_every_table(
    shape: Shape, table: list[Offer], loads: Loads, policy: str, chance: random.Random
) -> None:
    got = decide(shape, *table, loads=loads, policy=policy)
    for entry in got.offers:
        assert shape.task in entry.tasks
        assert entry.health not in ("unhealthy", "disabled")
        assert entry.state != "failed"
        assert entry.local or not shape.local_only
        assert not (entry.peer and shape.relayed)
        assert not entry.context_length or shape.least_tokens <= entry.context_length
    assert all(entry.reason and entry.gate for entry in got.rejections)
    asked = Table(table).find(shape.model)
    assert len(got.offers) + len(got.rejections) == len(asked)
    shuffled = list(table)
    chance.shuffle(shuffled)
    assert decide(shape, *shuffled, loads=loads, policy=policy) == got
    scores = [
        (entry.health == "unknown", candidate.score)
        for entry, candidate in zip(got.offers, got.candidates, strict=True)
    ]
    assert scores == sorted(scores)
