"""Loads: reservations come back, and speeds and delays are learnt."""

from __future__ import annotations

import pytest

from bago_jupyter.router import Lateness, Load


def test_reservations_are_returned_and_the_turn_stays() -> None:
    load = Load()
    load.reserve(300, turn=5)
    load.reserve(50, turn=4)
    assert (load.in_flight, load.work, load.last) == (2, 350, 5)
    load.release(300)
    load.release(50)
    assert (load.in_flight, load.work, load.last) == (0, 0, 5)


def test_speed_follows_what_is_measured_and_ignores_what_tells_nothing() -> None:
    load = Load(speed=50.0)
    load.measured(1, 0.001)
    load.measured(0, 1.0)
    assert load.speed == 50.0
    for _ in range(40):
        load.measured(100, 0.5)
    assert load.speed == pytest.approx(200, rel=0.01)


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
