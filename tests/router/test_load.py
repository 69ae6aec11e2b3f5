"""Loads: delays are learnt."""

from __future__ import annotations

import pytest

from bago_jupyter.router import Lateness


def test_nothing_is_late_before_enough_is_known() -> None:
    lateness = Lateness()
    for _ in range(2):
        lateness.saw(1.0)
        assert lateness.limit is None
    lateness.saw(1.0)
    assert lateness.limit is not None


def test_the_limit_follows_steady_delays_closely_and_leaves_room_to_unsteady_ones() -> None:
    steady, unsteady = Lateness(), Lateness()
    for turn in range(100):
        steady.saw(1.0)
        unsteady.saw(2.0 if turn % 2 else 0.1)
    assert steady.limit == pytest.approx(1.0, rel=0.05)
    assert unsteady.limit is not None
    assert unsteady.limit > 4.0
