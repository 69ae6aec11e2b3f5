"""The breaker: what opens it, what closes it, and the single probe between."""

from __future__ import annotations

from bago_jupyter.router.breaker import MAX_PAUSE, THRESHOLD, Breaker, Breakers, counts


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(THRESHOLD):
        assert breaker.allows(now)
        breaker.failed(now, "reset")
    return breaker


def test_it_opens_after_failures_in_a_row_and_lets_one_probe_through() -> None:
    breaker = opened()
    assert not breaker.allows(0.5)
    assert breaker.allows(1.0)
    breaker.began(1.0)
    assert not breaker.allows(1.0)
    breaker.succeeded()
    assert breaker.allows(1.0)


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.failed(0.0, "reset")
        breaker.failed(0.0, "reset")
        breaker.succeeded()
    assert breaker.allows(0.0)


def test_pauses_double_up_to_a_bound() -> None:
    breaker, now = opened(), 0.0
    pauses = []
    for _ in range(8):
        pauses.append(breaker.open_until - now)
        now = breaker.open_until
        breaker.began(now)
        breaker.failed(now, "reset")
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert max(pauses) == MAX_PAUSE


def test_a_probe_whose_client_left_does_not_block_the_next() -> None:
    breaker = opened()
    breaker.began(1.0)
    breaker.left()
    assert breaker.allows(1.0)


def test_retry_after_opens_at_once_for_as_long_as_it_says() -> None:
    breaker = Breaker()
    breaker.failed(0.0, "answered 429", retry_after=7.0)
    assert not breaker.allows(6.9)
    assert breaker.allows(7.0)


def test_what_counts_as_the_backends_failure() -> None:
    assert [status for status in (200, 400, 404, 413, 422, 429, 500, 503) if counts(status)] == [
        429,
        500,
        503,
    ]


def test_breakers_are_made_when_something_is_recorded() -> None:
    breakers = Breakers()
    assert breakers.get("b", "m") is None
    assert breakers.of("b", "m") is breakers.of("b", "m")
