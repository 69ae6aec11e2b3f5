"""Names as people and other software spell them."""

from __future__ import annotations

import pytest
from router.test_plan import decide, offer

from bago_jupyter.backends.nobody import nobody
from bago_jupyter.router import Offer, Shape, Table
from bago_jupyter.router.names import Names


def found(asked: str, *offers: Offer, **more: object) -> list[str]:
    return sorted(entry.backend for entry in decide(Shape(model=asked), *offers, **more).offers)


@pytest.mark.parametrize("asked", ["SmolLM2", "smollm2", "smollm2:latest", "SMOLLM2:LATEST", "b/smollm2"])
def test_case_and_latest_tell_no_names_apart(asked: str) -> None:
    assert found(asked, offer("b", model="SmolLM2"), offer("c", model="other")) == ["b"]
    assert found(asked, offer("b", model="SmolLM2:latest")) == ["b"]


def test_the_exact_name_goes_first_and_two_alike_are_none() -> None:
    both = offer("a", model="Phi"), offer("b", model="phi"), offer("c", model="phi:latest")
    assert found("Phi", *both) == ["a"]
    assert found("phi:latest", *both) == ["c"]
    assert found("PHI", *both) == []
    assert found("PHI:latest", *both) == ["c"]


def test_a_peer_takes_no_name_of_this_node_by_its_case() -> None:
    own, theirs = offer("a", model="Phi"), offer("p", model="pHI", peer=True)
    assert found("PHI", own, theirs) == ["a"]
    assert found("PHI", theirs) == ["p"]


def test_routes_are_names_too() -> None:
    assert found("CODE", offer("a"), routes={"Code": ["m"]}) == ["a"]


def test_a_relayed_request_names_its_model_exactly() -> None:
    assert not decide(Shape(model="M", relayed=True), offer("a")).offers


@pytest.mark.parametrize("asked", ["PHI", "SmolLM3", "smolm2:latest"])
def test_what_was_meant_is_named(asked: str) -> None:
    offers = offer("a", model="Phi"), offer("b", model="phi"), offer("c", model="smollm2")
    table = Table(offers)
    message = nobody(Shape(model=asked), decide(Shape(model=asked), *offers), table).message
    assert "did you mean" in message


def test_what_was_meant_is_not_looked_for_among_thousands_of_long_names() -> None:
    names = Names(["smollm2", *("x" * 500 + str(number) for number in range(5000))])
    assert names.near("smolm2") == "smollm2"
    assert names.near("x" * 500) is None
