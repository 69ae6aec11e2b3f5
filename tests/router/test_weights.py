"""Which weights a name stands for, and what becomes of the others."""

from __future__ import annotations

from typing import Any

import pytest
from router.test_plan import look

from bago_jupyter.backends.nobody import nobody
from bago_jupyter.errors import ContextTooLong, Unavailable
from bago_jupyter.router import Inputs, Offer, Plan, Shape, Table, Weights, plan

ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")
SHAPE = Shape(model="m")


def offer(backend: str, digest: str | None = None, **fields: Any) -> Offer:
    peer = backend not in ("local", "cloud")
    values = {"node": backend, "model": "m", "tasks": frozenset({"generate"}), "peer": peer, **fields}
    return Offer(backend=backend, digest=digest, local=backend == "local", **values)


def elect(weights: Weights, *offers: Offer, away: tuple[str, ...] = ()) -> Table:
    backends = {offer.backend for offer in offers} | set(away)
    return Table(offers, weights=weights.elect(offers, backends))


def decide(table: Table, shape: Shape = SHAPE) -> Plan:
    return plan(Inputs(shape, look(shape, table)))


def asked(table: Table, model: str = "m") -> list[str]:
    return sorted(entry.backend for entry in decide(table, Shape(model=model)).offers)


def test_what_this_node_has_itself_wins_whatever_peers_offer() -> None:
    table = elect(Weights(), offer("local", ONE), offer("eve", TWO, slots=1024, since=1.0))
    assert asked(table) == ["local"]
    (rejection,) = decide(table).rejections
    assert (rejection.backend, rejection.gate) == ("eve", "weights")
    assert "222222222222" in rejection.reason and "111111111111" in rejection.reason
    assert "eve/m" in rejection.reason
    assert asked(table, "eve/m") == ["eve"]
    assert [entry.backend for entry in table.apart("m")] == ["eve"]


def test_equal_and_unknown_digests_are_one_model() -> None:
    table = elect(Weights(), offer("local", ONE), offer("bob", ONE), offer("cyd"), offer("cloud"))
    assert asked(table) == ["bob", "cloud", "cyd", "local"]
    assert asked(elect(Weights(), offer("cloud"), offer("bob"))) == ["bob", "cloud"]


def test_a_peer_cannot_pass_for_this_node_by_its_name() -> None:
    table = elect(Weights(), offer("local", ONE, node="ada"), offer("eve", TWO, node="ada"))
    assert asked(table) == asked(table, "ada/m") == ["local"]


def test_without_own_weights_those_of_the_older_friend_win() -> None:
    offers = offer("bob", ONE, since=10.0), offer("eve", TWO, since=20.0), offer("cyd", ONE, since=30.0)
    assert asked(elect(Weights(), *offers)) == ["bob", "cyd"]


def test_what_was_there_first_stays_and_comes_back() -> None:
    weights, bob = Weights(), offer("bob", ONE, since=20.0)
    older = offer("eve", TWO, since=10.0)
    assert asked(elect(weights, bob)) == ["bob"]
    assert asked(elect(weights, bob, older)) == ["bob"]
    away = offer("bob", ONE, since=20.0, health="unhealthy")
    assert asked(elect(weights, away, older)) == [], "another model does not stand in for it"
    assert asked(elect(weights, older, away=("bob",))) == ["eve"], "bob has left, and offers nothing"
    assert asked(elect(weights, bob, older)) == ["bob"]
    assert asked(elect(weights, older)) == ["eve"], "bob is not paired any more"
    assert asked(elect(weights, bob, older)) == ["eve"]


def test_a_trusted_node_may_replace_its_weights() -> None:
    weights, eve = Weights(), offer("eve", TWO, since=20.0)
    elect(weights, offer("bob", ONE, since=10.0), eve)
    assert asked(elect(weights, offer("bob", THREE, since=10.0), eve)) == ["bob"]
    assert asked(elect(weights, offer("bob", TWO, since=10.0), eve)) == ["bob", "eve"]


def test_a_name_that_a_node_gave_up_is_free() -> None:
    weights = Weights()
    elect(weights, offer("bob", ONE), offer("bob", THREE, model="other"))
    elect(weights, offer("bob", THREE, model="other"), offer("eve", TWO))
    assert asked(elect(weights, offer("bob", ONE), offer("eve", TWO))) == ["eve"]


def test_the_owner_may_join_them() -> None:
    weights = Weights()
    weights.joined = {"m": (ONE, TWO)}
    offers = offer("local", ONE), offer("bob", TWO), offer("eve", THREE)
    assert asked(elect(weights, *offers)) == ["bob", "local"]
    assert asked(elect(weights, *offers[1:])) == ["bob"]
    weights.joined = {}
    assert asked(elect(weights, *offers)) == ["local"]


def test_until_the_own_weights_are_read_nobody_new_is_taken_for_them() -> None:
    weights, bob, eve = Weights(), offer("bob", ONE, since=1.0), offer("eve", TWO, since=2.0)
    assert asked(elect(weights, offer("local"), eve)) == ["local"]
    elect(weights, bob, eve)
    assert asked(elect(weights, offer("local"), bob, eve)) == ["bob", "local"]
    assert asked(elect(weights, offer("local", TWO), bob, eve)) == ["eve", "local"]
    assert asked(elect(Weights(), offer("local", state="failed"), eve)) == ["eve"]


def test_a_route_leads_to_what_the_name_stands_for_or_to_what_it_names() -> None:
    offers = offer("local", ONE), offer("eve", TWO)
    stands_for = Weights().elect(offers, {"local", "eve"})
    table = Table(offers, {"r": ("m",), "both": ("m", "eve/m")}, stands_for)
    assert asked(table, "r") == ["local"]
    assert [entry.gate for entry in decide(table, Shape(model="r")).rejections] == ["weights"]
    assert asked(table, "both") == ["eve", "local"]
    assert not decide(table, Shape(model="both")).rejections


def test_it_is_said_where_only_other_weights_are_there() -> None:
    weights = Weights()
    elect(weights, offer("bob", ONE))
    table = elect(weights, offer("bob", ONE, health="unhealthy", reason="no answer"), offer("eve", TWO))
    error = nobody(SHAPE, decide(table), table)
    assert isinstance(error, Unavailable) and "eve/m" in error.message
    small = elect(Weights(), offer("local", ONE, context_length=9), offer("eve", TWO))
    long = Shape(model="m", least_tokens=10)
    assert isinstance(nobody(long, decide(small, long), small), ContextTooLong)


def test_a_peer_hears_nothing_of_the_others() -> None:
    table = elect(Weights(), offer("local", ONE), offer("eve", TWO))
    relayed = Shape(model="m", relayed=True)
    assert [row.offer.backend for row in look(relayed, table)] == ["local"]


@pytest.mark.parametrize("shape", [SHAPE, Shape(model="M"), Shape(model="m:latest")])
def test_the_decision_replays(shape: Shape) -> None:
    table = elect(Weights(), offer("local", ONE), offer("eve", TWO))
    inputs = Inputs(shape, look(shape, table))
    assert plan(inputs) == plan(inputs)
    assert [entry.gate for entry in plan(inputs).rejections] == ["weights"]
