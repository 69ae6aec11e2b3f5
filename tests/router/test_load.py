"""Loads: reservations come back, speeds are learnt, and waiting costs."""

from __future__ import annotations

import pytest

from bago_jupyter.router import Load


def test_reservations_are_returned() -> None:
    load = Load()
    load.reserve(300)
    load.reserve(50)
    assert (load.in_flight, load.work) == (2, 350)
    load.release(300)
    load.release(50)
    assert (load.in_flight, load.work) == (0, 0)


def test_a_free_slot_costs_only_the_own_work() -> None:
    load = Load(speed=100.0, latency=0.5)
    load.reserve(1000)
    assert load.finish(200, slots=2) == pytest.approx(2.5)
    load.reserve(1000)
    assert load.finish(200, slots=2) > 2.5


def test_speed_follows_what_is_measured_and_ignores_what_tells_nothing() -> None:
    load = Load(speed=50.0)
    load.measured(1, 0.001)
    load.measured(0, 1.0)
    assert load.speed == 50.0
    for _ in range(40):
        load.measured(100, 0.5)
    assert load.speed == pytest.approx(200, rel=0.01)
