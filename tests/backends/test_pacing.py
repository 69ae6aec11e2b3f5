"""When a manager is asked again, with time as an argument."""

from __future__ import annotations

import pytest

from bago_jupyter.backends.pacing import Pacing


@pytest.mark.parametrize(
    ("limit", "remaining", "wait"),
    [
        (None, None, 60),
        (10_000, 9_999, 60),
        (30, 29, 300),  # three of 30 requests in 15 minutes
        (5, 4, 900),
        (10_000, 900, 900),  # what is left is its owner's
        (0, 0, 60),
        (float("nan"), float("nan"), 60),
    ],
)
def test_news_are_asked_for_at_most_once_a_minute_and_more_rarely_where_little_is_allowed(
    limit: float | None, remaining: float | None, wait: float
) -> None:
    pacing = Pacing()
    assert pacing.due == 0
    pacing.answered(1000.0, limit, remaining, 900.0)
    assert pacing.due - 1000.0 == wait and pacing.barred == 0


def test_a_refusal_for_asking_too_often_is_obeyed() -> None:
    pacing = Pacing()
    pacing.limited(0.0, 300.0)
    assert (pacing.barred, pacing.due) == (300.0, 300.0)
    pacing.answered(301.0, 100, 99, 900.0)
    pacing.limited(400.0, 5.0)
    assert (pacing.barred, pacing.due) == (405.0, 460.0)
    pacing.answered(500.0, None, None, None)
    waits = []
    for _ in range(6):
        pacing.limited(0.0, None)
        waits.append(pacing.barred)
    assert waits == [60, 120, 240, 480, 900, 900]
    pacing.answered(901.0, None, None, None)
    pacing.limited(0.0, None)
    assert pacing.barred == 60


def test_who_does_not_answer_is_asked_soon_and_then_each_minute() -> None:
    pacing, waits = Pacing(), []
    for _ in range(6):
        pacing.silent(0.0)
        waits.append(pacing.due)
    assert waits == [5, 10, 20, 40, 60, 60]
    pacing.failed(0.0)
    assert pacing.due == 60 and pacing.barred == 0
