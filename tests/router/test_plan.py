"""``plan()``: gates, order, and what must hold for every table."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.backends.nobody import nobody
from bago_jupyter.router import (
    POLICIES,
    Affinity,
    Breakers,
    Inputs,
    Load,
    Offer,
    Plan,
    Row,
    Shape,
    Table,
    plan,
    survey,
)

Loads = dict[tuple[str, str], Load]
GENERATE = frozenset({"generate"})


def offer(backend: str, **fields: Any) -> Offer:
    return Offer(**{"backend": backend, "node": backend, "model": "m", "tasks": GENERATE, **fields})


def look(shape: Shape, table: Table, *, loads: Loads | None = None, **more: Any) -> tuple[Row, ...]:
    known = {"breakers": Breakers(), "affinity": Affinity(), "latencies": {}, "now": 0.0, **more}
    return survey(table, shape, loads=loads or {}, **known)


def decide(shape: Shape, *offers: Offer, **more: Any) -> Plan:
    chosen = {name: more.pop(name) for name in ("policy", "turn", "ahead") if name in more}
    return plan(Inputs(shape, look(shape, Table(offers, more.pop("routes", None)), **more), **chosen))


def reserve(load: Load, work: int, turn: int = 0) -> None:
    load.in_flight += 1
    load.work += work
    load.last = max(load.last, turn)


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
            breakers.failed(backend, "m", 0.0, "reset", "broken")
    offers = (offer("away"), offer("here", local=True))
    assert [entry.backend for entry in decide(SHAPE, *offers, breakers=breakers).offers] == ["here"]
    later = decide(SHAPE, *offers, breakers=breakers, now=2.0)
    assert {entry.backend for entry in later.offers} == {"away", "here"}


def test_balanced_counts_reserved_work_so_that_a_burst_spreads() -> None:
    loads: Loads = {(name, "m"): Load(speed=50.0) for name in ("a", "b")}
    chosen = []
    for _ in range(8):
        best = decide(SHAPE, offer("a"), offer("b"), loads=loads).offers[0]
        reserve(loads[best.backend, "m"], SHAPE.work())
        chosen.append(best.backend)
    assert chosen.count("a") == chosen.count("b") == 4


def test_balanced_prefers_the_fast_node_until_its_queue_is_long() -> None:
    loads: Loads = {("fast", "m"): Load(speed=200.0), ("slow", "m"): Load(speed=50.0)}
    chosen = []
    for _ in range(10):
        best = decide(SHAPE, offer("fast"), offer("slow"), loads=loads).offers[0]
        reserve(loads[best.backend, "m"], SHAPE.work())
        chosen.append(best.backend)
    assert chosen[:3] == ["fast"] * 3
    assert 7 <= chosen.count("fast") <= 9


def test_a_node_can_be_named_and_a_plain_name_with_a_slash_wins() -> None:
    both = (offer("a"), offer("b"))
    assert [entry.backend for entry in decide(Shape(model="b/m"), *both).offers] == ["b"]
    slashed = offer("c", model="b/m")
    assert [entry.backend for entry in decide(Shape(model="b/m"), *both, slashed).offers] == ["c"]


def test_a_peer_takes_no_name_from_what_this_node_has_itself() -> None:
    def found(*offers: Offer) -> list[str]:
        return [entry.backend for entry in decide(Shape(model="b/m"), *offers).offers]

    own, model = offer("b"), offer("c", model="b/m")
    named, shadow = offer("p", node="b", peer=True), offer("q", model="b/m", peer=True)
    assert found(own, named, shadow) == ["b"]
    assert found(model, named) == ["c"]
    assert found(named, shadow) == ["q"]
    assert found(named) == ["p"]
    assert sorted(found(own, model, shadow)) == ["c", "q"]


def test_nothing_offered_means_nothing_rejected() -> None:
    got = decide(Shape(model="other"), offer("a"))
    assert (got.offers, got.rejections) == ((), ())


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(KeyError):
        decide(SHAPE, offer("a"), policy="best")


def test_a_share_of_a_nodes_slots_is_kept_free() -> None:
    loads: Loads = {("a", "m"): Load(in_flight=2)}
    limited = offer("a", slots=4, max_load_percent=50)
    got = decide(SHAPE, limited, offer("b"), loads=loads, policy="priority")
    assert [entry.backend for entry in got.offers] == ["b", "a"]
    assert not got.waits
    assert decide(SHAPE, limited, loads=loads).waits
    loads["a", "m"].in_flight = 1
    assert not decide(SHAPE, limited, loads=loads).waits


def test_the_last_slot_is_kept_for_others_where_there_are_several() -> None:
    loads: Loads = {("a", "m"): Load(in_flight=3), ("b", "m"): Load()}
    assert decide(SHAPE, offer("a", slots=4), loads=loads, keep=1).waits
    assert not decide(SHAPE, offer("a", slots=4), loads=loads, keep=0).waits
    assert not decide(SHAPE, offer("b", slots=1), loads=loads, keep=1).waits


def test_it_waits_for_the_fast_node_only_as_long_as_that_is_faster() -> None:
    loads: Loads = {
        ("fast", "m"): Load(speed=400.0, in_flight=4, work=4 * SHAPE.work()),
        ("slow", "m"): Load(speed=100.0),
    }
    both = (offer("fast", slots=4), offer("slow", slots=4))
    now = decide(SHAPE, *both, loads=loads)
    assert (now.offers[0].backend, now.waits) == ("fast", True)
    behind_many = decide(SHAPE, *both, loads=loads, ahead=40 * SHAPE.work())
    assert (behind_many.offers[0].backend, behind_many.waits) == ("slow", False)


@pytest.mark.parametrize("policy", ["round-robin", "weighted", "least-loaded", "priority"])
def test_other_policies_take_the_next_free_one(policy: str) -> None:
    loads: Loads = {("a", "m"): Load(in_flight=1), ("b", "m"): Load(in_flight=1)}
    three = (offer("a", priority=0), offer("b", priority=1), offer("c", priority=2))
    got = decide(SHAPE, *three, loads=loads, policy=policy)
    assert (got.offers[0].backend, got.waits) == ("c", False)


def test_a_chat_goes_back_to_where_it_was_read_until_the_gap_is_large() -> None:
    affinity = Affinity()
    long = Shape(model="m", prompt_tokens=8000, answer=10, prefix=tuple(range(60)))
    affinity.remember("b", "m", long.prefix[:50])
    got = decide(long, offer("a", slots=4), offer("b", slots=4), affinity=affinity)
    assert got.offers[0].backend == "b"
    assert got.rows[0].warm == 50 * 512 // 4
    loads: Loads = {("b", "m"): Load(in_flight=4, work=4 * 10_000)}
    got = decide(long, offer("a", slots=4), offer("b", slots=4), affinity=affinity, loads=loads)
    assert got.offers[0].backend == "a"


def test_a_suspect_is_asked_last_and_an_open_breaker_not_at_all() -> None:
    breakers = Breakers()
    breakers.failed("a", "m", 0.0, "answered 503", "error")
    got = decide(SHAPE, offer("a"), offer("b"), breakers=breakers, now=0.1)
    assert [entry.backend for entry in got.offers] == ["b", "a"]
    breakers.failed("a", "m", 0.1, "refused", "refused")
    got = decide(SHAPE, offer("a"), offer("b"), breakers=breakers, now=0.2)
    assert [entry.backend for entry in got.offers] == ["b"]
    assert [entry.gate for entry in got.rejections] == ["breaker"]


def test_what_a_backend_cannot_say_or_may_not_lend_is_refused() -> None:
    got = decide(Shape(model="m", dialect="messages"), offer("a", dialects=frozenset({"chat"})))
    assert (got.rejections[0].gate, "only chat" in got.rejections[0].reason) == ("dialect", True)
    got = decide(Shape(model="m", relayed=True), offer("a", shared=False))
    assert got.rejections[0].gate == "sharing"


@pytest.mark.parametrize(
    "fields",
    [
        {"health": "unhealthy", "reason": "its secret reason"},
        {"state": "failed", "reason": "its secret reason"},
        {"tasks": frozenset({"embed"})},
        {"dialects": frozenset({"embeddings"})},
        {"context_length": 1},
    ],
)
def test_a_peer_learns_nothing_of_what_is_not_shared(fields: dict[str, Any]) -> None:
    hidden = offer("hidden", shared=False, **fields)
    shape = Shape(model="m", relayed=True, least_tokens=25)
    alone = nobody(shape, decide(shape, hidden), Table([hidden]))
    unknown = nobody(shape, decide(shape), Table())
    assert (alone.status, alone.message) == (unknown.status, unknown.message)
    ill = offer("b", health="unhealthy", reason="it rests")
    beside = nobody(shape, decide(shape, hidden, ill), Table([hidden, ill]))
    assert "it rests" in beside.message and "hidden" not in beside.message


class TestRoutes:
    routes = {"code": ("b/llama", "phi")}
    llama, phi = offer("b", model="llama"), offer("a", model="phi")

    def test_the_first_model_comes_first_however_busy_and_the_rest_after_it(self) -> None:
        loads: Loads = {("b", "llama"): Load(in_flight=9, work=9999)}
        elsewhere = offer("c", model="llama")
        got = decide(Shape(model="code"), self.phi, elsewhere, self.llama, loads=loads, routes=self.routes)
        assert [(entry.backend, entry.model) for entry in got.offers] == [("b", "llama"), ("a", "phi")]
        assert got.waits

    def test_the_next_model_answers_when_the_first_is_gone(self) -> None:
        down = offer("b", model="llama", health="unhealthy")
        got = decide(Shape(model="code"), self.phi, down, routes=self.routes)
        assert [entry.model for entry in got.offers] == ["phi"]
        assert [entry.gate for entry in got.rejections] == ["health"]

    def test_a_route_may_have_the_name_of_its_model(self) -> None:
        got = decide(Shape(model="phi"), self.phi, self.llama, routes={"phi": ("phi", "llama")})
        assert [entry.model for entry in got.offers] == ["phi", "llama"]

    def test_a_route_to_nothing_leaves_the_name_to_the_model(self) -> None:
        got = decide(Shape(model="phi"), self.phi, routes={"phi": ("gone",)})
        assert [entry.model for entry in got.offers] == ["phi"]


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
    weight=st.sampled_from([0.0, 0.5, 1.0, 4.0]),
)
tables = st.lists(offers, max_size=12, unique_by=lambda entry: (entry.backend, entry.model))
shapes = st.builds(
    Shape,
    model=st.sampled_from(["m", "n1/m", "n2/m", "none"]),
    task=st.sampled_from(["generate", "embed", "rerank"]),
    prompt_tokens=st.integers(0, 8192),
    least_tokens=st.integers(0, 2048),
    answer=st.integers(0, 512),
    local_only=st.booleans(),
    relayed=st.booleans(),
    prefix=st.lists(st.integers(), max_size=5).map(tuple),
)
loads_of = st.dictionaries(
    st.tuples(st.sampled_from([f"b{number}" for number in range(8)]), st.sampled_from(["m", "n1/m"])),
    st.builds(
        Load,
        in_flight=st.integers(0, 9),
        work=st.integers(0, 9999),
        speed=st.floats(0.1, 1e4),
        last=st.integers(0, 50),
    ),
)


inputs_of = st.builds(
    lambda shape, table, loads, failing, warm, **more: (shape, table, loads, failing, warm, more),
    shapes,
    tables,
    loads_of,
    st.lists(st.tuples(st.sampled_from(["b0", "b1", "b2"]), st.sampled_from(["refused", "error"]))),
    st.lists(st.sampled_from(["b0", "b1", "b2"])),
    policy=st.sampled_from(sorted(POLICIES)),
    turn=st.integers(1, 1000),
    ahead=st.integers(0, 10_000),
    keep=st.integers(0, 1),
)


@given(inputs_of, st.randoms(use_true_random=False))
def test_every_plan_is_sound(drawn: Any, chance: random.Random) -> None:
    shape, table, loads, failing, warm, more = drawn
    breakers, affinity = Breakers(), Affinity()
    for backend, cause in failing:
        breakers.failed(backend, "m", 0.0, "broken", cause)
    for backend in warm:
        affinity.remember(backend, "m", shape.prefix)
    known = {"breakers": breakers, "affinity": affinity, "now": 0.5, "keep": more.pop("keep")}
    inputs = Inputs(shape, look(shape, Table(table), loads=loads, **known), **more)
    got = plan(inputs)

    asked = [offer for _, offer in Table(table).find(shape.model)]
    for entry in got.offers:
        assert entry in asked
        assert shape.task in entry.tasks
        assert entry.state != "failed"
        assert entry.health in ("healthy", "unknown")
        assert entry.local or not shape.local_only
        assert not (entry.peer and shape.relayed)
        assert entry.context_length is None or shape.least_tokens <= entry.context_length
    assert all(rejection.reason for rejection in got.rejections)
    assert len(got.offers) + len(got.rejections) == len(asked)
    assert len(got.scores) == len(got.offers)
    if got.waits:
        assert got.rows[0].full
    elif got.rows and inputs.policy not in ("balanced", "fastest"):
        best = [row for row in got.rows if row.rank == got.rows[0].rank and not row.suspect]
        assert not got.rows[0].full or all(row.full for row in best)

    shuffled = list(table)
    chance.shuffle(shuffled)
    assert plan(Inputs(shape, look(shape, Table(shuffled), loads=loads, **known), **more)) == got
    assert plan(inputs) == got
    kept = msgspec.json.decode(msgspec.json.encode(inputs), type=Inputs)
    assert plan(kept).offers == got.offers
    assert plan(kept) == got


def test_the_cost_grows_with_the_offers_of_the_model_alone() -> None:
    table = Table(offer(f"b{n}", model=f"m{k}") for n in range(200) for k in range(5))
    assert len(look(Shape(model="m3"), table)) == 200
    assert len(look(Shape(model="b7/m3"), table)) == 1
