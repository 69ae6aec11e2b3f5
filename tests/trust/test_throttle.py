"""Limits on failed attempts."""

from __future__ import annotations

import pytest

from bago_jupyter.errors import Overloaded
from bago_jupyter.trust.throttle import ADDRESSES, Throttle


def waits(throttle, address, now):
    try:
        throttle.check(address, now)
    except Overloaded as error:
        return error.retry_after
    return 0


def test_waits_double_up_to_the_longest_and_are_forgotten():
    throttle = Throttle("tries", free=2, first=1, longest=5, forget=100)
    seen = []
    for _ in range(6):
        throttle.failed("10.0.0.1", 0)
        seen.append(waits(throttle, "10.0.0.1", 0))
    assert seen == [0, 0, 1, 2, 4, 5]
    assert waits(throttle, "10.0.0.2", 0) == 0
    assert waits(throttle, "10.0.0.1", 5) == 0
    throttle.failed("10.0.0.1", 105)
    assert waits(throttle, "10.0.0.1", 105) == 0


def test_success_clears():
    throttle = Throttle("tries", free=0, budget=3)
    for _ in range(3):
        throttle.failed("10.0.0.1", 0)
    assert waits(throttle, "10.0.0.2", 0) > 0
    throttle.succeeded("10.0.0.1")
    assert waits(throttle, "10.0.0.1", 0) == 0
    assert waits(throttle, "10.0.0.2", 0) == 0


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("odd", "odd", True),
    ],
)
def test_what_counts_as_one_address(one, other, together):
    throttle = Throttle("tries", free=0)
    throttle.failed(one, 0)
    assert (waits(throttle, other, 0) > 0) is together


def test_the_budget_of_all_drains():
    throttle = Throttle("tries", free=5, forget=100, budget=10)
    for i in range(10):
        throttle.failed(f"10.0.0.{i}", 0)
    assert waits(throttle, "10.9.9.9", 0) == 10
    assert waits(throttle, "10.9.9.9", 11) == 0


def test_memory_is_bounded():
    throttle = Throttle("tries", free=0, budget=10**9)
    for i in range(ADDRESSES + 100):
        throttle.failed(f"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}", 0)
    assert len(throttle._counts) == ADDRESSES
