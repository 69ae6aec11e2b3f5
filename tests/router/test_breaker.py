"""The breaker: what opens it, what closes it, and the single probe between."""

from __future__ import annotations

import pytest

from bago_jupyter.router.breaker import MAX_PAUSE, THRESHOLD, Breaker, Breakers, counts


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(THRESHOLD):
        breaker.failed(now, "reset", "broken")
    return breaker


def test_a_failure_makes_it_suspect_and_failures_in_a_row_open_it() -> None:
    breaker = Breaker()
    assert breaker.state(0.0) == "closed"
    breaker.failed(0.0, "reset", "broken")
    assert breaker.state(0.5) == "suspect"
    assert opened().state(0.5) == "open"


def test_after_the_pause_one_probe_goes_through_and_decides() -> None:
    breaker = opened()
    assert breaker.state(1.0) == "closed"
    breaker.began(1.0)
    assert breaker.state(1.0) == "open"
    breaker.succeeded()
    assert breaker.state(1.0) == "closed"


@pytest.mark.parametrize("cause", ["refused", "frozen"])
def test_what_is_certain_or_costs_time_opens_it_at_once(cause: str) -> None:
    breaker = Breaker()
    breaker.failed(0.0, "nobody listens", cause)  # type: ignore[arg-type]
    assert breaker.state(0.5) == "open"


def test_being_late_never_opens_it() -> None:
    breaker = Breaker()
    for turn in range(10):
        breaker.failed(turn * 100.0, "late", "late")
        assert breaker.state(turn * 100.0) == "suspect"


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.failed(0.0, "reset", "broken")
        breaker.failed(0.0, "reset", "broken")
        breaker.succeeded()
    assert breaker.state(0.0) == "closed"


def test_pauses_double_up_to_a_bound_and_not_for_what_was_in_flight_together() -> None:
    breaker, now = Breaker(), 0.0
    pauses = []
    for _ in range(8):
        for _ in range(64):
            breaker.failed(now, "reset", "broken")
        pauses.append(breaker.until - now)
        now = breaker.until
        breaker.began(now)
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert max(pauses) == MAX_PAUSE


def test_a_probe_whose_client_left_does_not_block_the_next() -> None:
    breaker = opened()
    breaker.began(1.0)
    breaker.left()
    assert breaker.state(1.0) == "closed"


def test_retry_after_opens_at_once_for_as_long_as_it_says_within_reason() -> None:
    breaker = Breaker()
    breaker.failed(0.0, "answered 429", "limit", retry_after=7.0)
    assert breaker.state(6.9) == "open"
    assert breaker.state(7.0) == "closed"
    breaker.failed(10.0, "answered 429", "limit", retry_after=1e9)
    assert breaker.state(10.0 + 3700) == "closed"


def test_a_limit_without_a_time_only_makes_it_suspect() -> None:
    breaker = Breaker()
    breaker.failed(0.0, "answered 429", "limit")
    assert breaker.state(0.5) == "suspect"


def test_to_come_back_at_once_is_an_ordinary_pause() -> None:
    breaker = Breaker()
    breaker.failed(0.0, "answered 503", "error", retry_after=0.0)
    assert breaker.state(0.5) == "open"
    assert breaker.state(1.0) == "closed"


def test_a_probe_that_begins_to_answer_lets_others_through_and_opens_it_anew_when_it_breaks() -> None:
    breaker = opened()
    breaker.began(1.0)
    breaker.lives()
    assert breaker.state(1.0) == "closed"
    breaker.failed(5.0, "reset", "broken")
    assert breaker.state(6.9) == "open"
    assert breaker.state(7.0) == "closed"


def test_what_was_sent_before_the_failure_does_not_lift_the_pause() -> None:
    breaker = opened()
    breaker.lives()
    assert breaker.state(0.5) == "open"


class TestBreakers:
    def test_a_refused_connection_is_of_the_whole_backend_and_an_error_of_its_model(self) -> None:
        breakers = Breakers()
        breakers.failed("a", "m", 0.0, "answered 503", "error")
        assert breakers.look("a", "m", 0.1)[0] == "suspect"
        assert breakers.look("a", "other", 0.1)[0] == "closed"
        breakers.failed("a", "m", 0.1, "nobody listens", "refused")
        assert breakers.look("a", "other", 0.2) == ("open", "nobody listens")
        assert breakers.look("b", "m", 0.2) == ("closed", None)

    def test_one_success_clears_both(self) -> None:
        breakers = Breakers()
        breakers.failed("a", "m", 0.0, "answered 503", "error")
        breakers.failed("a", "m", 0.0, "nobody listens", "refused")
        breakers.succeeded("a", "m")
        assert breakers.look("a", "m", 0.0) == breakers.look("a", "other", 0.0) == ("closed", None)

    def test_a_failed_probe_of_one_kind_frees_the_probe_of_the_other(self) -> None:
        breakers = Breakers()
        breakers.failed("a", "m", 0.0, "nobody listens", "refused")
        breakers.began("a", "m", 1.0)
        breakers.failed("a", "m", 1.1, "answered 503", "error")
        assert breakers.look("a", "other", 1.2)[0] == "closed"

    def test_a_backend_that_is_gone_is_forgotten(self) -> None:
        breakers = Breakers()
        breakers.failed("a", "m", 0.0, "nobody listens", "refused")
        breakers.forget("a")
        assert breakers.look("a", "m", 0.0) == ("closed", None)


def test_what_counts_as_the_backends_failure() -> None:
    assert [status for status in (200, 400, 404, 413, 422, 429, 500, 503) if counts(status)] == [
        429,
        500,
        503,
    ]
