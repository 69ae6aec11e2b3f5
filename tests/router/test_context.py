"""The context of each target is part of the choice."""

from __future__ import annotations

import pytest
from router.test_plan import Loads, decide, offer

from bago_jupyter.router import Affinity, Load, Offer, Shape

PROMPT = Shape(model="m", prompt_tokens=3031, least_tokens=757, likely_tokens=3031, answer=100)


def three(**large: int) -> tuple[Offer, ...]:
    return (
        offer("a", context_length=2048, priority=0),
        offer("b", context_length=2048, priority=1),
        offer("c", context_length=8192, priority=2, **large),
    )


@pytest.mark.parametrize("policy", ["balanced", "round-robin", "weighted", "least-loaded", "priority"])
def test_a_prompt_goes_first_to_where_it_probably_fits(policy: str) -> None:
    got = decide(PROMPT, *three(), policy=policy)
    assert got.offers[0].backend == "c"
    assert {entry.backend for entry in got.offers[1:]} == {"a", "b"}  # the length of a text proves nothing
    assert [row.tight for row in got.rows] == [False, True, True]


def test_it_waits_there_rather_than_go_where_it_does_not_fit() -> None:
    loads: Loads = {("c", "m"): Load(in_flight=1)}
    got = decide(PROMPT, *three(), loads=loads, policy="priority")
    assert (got.offers[0].backend, got.waits) == ("c", True)


def test_what_was_read_before_does_not_outweigh_it() -> None:
    affinity = Affinity()
    shape = Shape(model="m", prompt_tokens=3031, likely_tokens=3031, prefix=tuple(range(20)))
    affinity.remember("a", "m", shape.prefix)
    assert decide(shape, *three(), affinity=affinity).offers[0].backend == "c"


def test_an_unknown_context_may_hold_it() -> None:
    got = decide(PROMPT, offer("a", context_length=2048), offer("b"), policy="priority")
    assert [entry.backend for entry in got.offers] == ["b", "a"]


def test_where_it_certainly_does_not_fit_it_is_not_sent() -> None:
    sure = Shape(model="m", prompt_tokens=12000, least_tokens=3000, likely_tokens=12000)
    got = decide(sure, *three())
    assert [entry.backend for entry in got.offers] == ["c"]
    assert {entry.gate for entry in got.rejections} == {"context"}


def test_a_short_prompt_goes_anywhere() -> None:
    short = Shape(model="m", prompt_tokens=300, likely_tokens=300)
    assert decide(short, *three(), policy="priority").offers[0].backend == "a"


def test_what_was_refused_is_unlearned_and_no_more() -> None:
    affinity = Affinity()
    affinity.remember("a", "m", (1, 2, 3))
    news = affinity.remember("a", "m", (1, 2, 3, 4, 5))
    assert news == (4, 5)
    affinity.unlearn("a", "m", news)
    assert affinity.warm("a", "m", (1, 2, 3, 4, 5)) == affinity.warm("a", "m", (1, 2, 3)) > 0
    affinity.unlearn("b", "m", news)
