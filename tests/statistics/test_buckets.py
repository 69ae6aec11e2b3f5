"""Histograms."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.statistics import BOUNDS, percentile
from bago_jupyter.statistics.buckets import BUCKETS

durations = st.lists(st.floats(0, 2000, allow_nan=False), max_size=200)


def counted(values: list[float]) -> list[int]:
    counts = [0] * BUCKETS
    for value in values:
        counts[bisect_left(BOUNDS, value)] += 1
    return counts


def test_five_a_decade_from_a_millisecond_to_a_quarter_of_an_hour() -> None:
    assert (BOUNDS[0], BOUNDS[5], BOUNDS[-1], len(BOUNDS)) == (0.001, 0.01, 1000.0, 31)
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert all(1.5 < later / earlier < 1.7 for earlier, later in pairwise(BOUNDS))


@given(durations, durations, st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_merged_histograms_are_within_one_bucket_of_the_truth(
    here: list[float], there: list[float], share: float
) -> None:
    merged = [a + b for a, b in zip(counted(here), counted(there), strict=True)]
    said = percentile(merged, share)
    values = sorted(here + there)
    if not values:
        assert said is None
        return
    exact = values[math.ceil(share * len(values)) - 1]
    assert said is not None
    if exact > BOUNDS[-1]:
        assert said == BOUNDS[-1]
        return
    bucket = bisect_left(BOUNDS, exact)
    assert (BOUNDS[bucket - 1] if bucket else 0.0) <= said <= BOUNDS[bucket]


def test_it_is_linear_within_a_bucket() -> None:
    counts = [0] * BUCKETS
    counts[bisect_left(BOUNDS, 2.0)] = 4  # above 1.6, up to 2.5 s
    assert percentile(counts, 0.5) == pytest.approx(1.6 + 0.9 / 2)
    assert percentile(counts, 1.0) == 2.5


@given(durations)
def test_percentiles_do_not_cross(values: list[float]) -> None:
    counts = counted(values)
    said = [percentile(counts, share) or 0.0 for share in (0.1, 0.5, 0.95, 0.99, 1.0)]
    assert said == sorted(said)
