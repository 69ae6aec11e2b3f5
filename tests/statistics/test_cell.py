"""What one request adds."""

from __future__ import annotations

import pytest
from decisions import decision
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.statistics import Cell
from bago_jupyter.statistics.cell import COLUMNS, MOST_TOKENS


def counted(*decisions: object) -> Cell:
    cell = Cell()
    for each in decisions:
        cell.add(each, each.attempts[-1] if each.attempts else None)  # type: ignore[attr-defined]
    return cell


def test_outcomes() -> None:
    cell = counted(
        decision(),
        decision(status=400),
        decision(status=503, outcome="failed", detail="No backend answered."),
        decision(status=None, outcome="cancelled", node=None),
        decision(outcome="failed", detail="The backend broke off.", status=200),
    )
    assert (cell.requests, cell.ok, cell.failed, cell.cancelled) == (5, 1, 3, 1)
    assert sum(cell.latency) == 1, "only complete answers have a latency"
    assert cell.first == [0] * len(cell.first), "an answer in one piece has no first token"


def test_speed_is_of_the_tokens_after_the_first() -> None:
    cell = counted(decision(first=0.5, seconds=1.5, tokens=(3, 21)), decision(seconds=9.0, tokens=(3, 1000)))
    assert cell.tokens_per_second == pytest.approx(20.0)
    assert (cell.prompt_tokens, cell.completion_tokens) == (6, 1021)
    assert cell.first_seconds == 0.5 and sum(cell.first) == 1


def test_a_stream_that_was_cancelled_had_a_first_token_and_a_speed() -> None:
    cell = counted(decision(first=0.5, seconds=1.0, tokens=(3, 11), outcome="cancelled"))
    assert cell.tokens_per_second == pytest.approx(20.0)
    assert sum(cell.first) == 1 and sum(cell.latency) == 0
    assert sum(counted(decision(first=0.5, status=400)).first) == 0, "an error has no token"


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 1e9])
def test_a_clock_that_was_set_does_no_harm(seconds: float) -> None:
    cell = counted(decision(seconds=seconds, first=-1.0, tokens=(None, 10**40)))
    assert sum(cell.latency) == sum(cell.first) == 1
    assert cell.latency_seconds == max(0.0, seconds)
    assert (cell.prompt_tokens, cell.completion_tokens) == (0, MOST_TOKENS)


decisions = st.builds(
    decision,
    seconds=st.floats(0, 500),
    first=st.none() | st.floats(0, 100),
    status=st.sampled_from([200, 400, 503, None]),
    outcome=st.sampled_from(["ok", "cancelled", "failed"]),
    tokens=st.tuples(st.none() | st.integers(0, 1000), st.none() | st.integers(0, 1000)),
)


@given(st.lists(decisions), st.lists(decisions))
def test_adding_up_is_the_same_as_counting_together(here: list[object], there: list[object]) -> None:
    one, other = counted(*here), counted(*there)
    one.merge(other)
    together = counted(*here, *there)
    assert one.values() == pytest.approx(together.values())
    assert len(one.values()) == len(COLUMNS)
    assert Cell.of(one.values()).values() == one.values()
