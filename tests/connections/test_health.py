"""Health of a connection: the whole state machine, with time as an argument."""

from __future__ import annotations

from bago_jupyter.connections.health import WARMING_FOR, State


def test_the_first_answer_makes_it_healthy_and_three_failures_unhealthy() -> None:
    state = State()
    assert state.state == "unknown"
    change = state.ok(1.0, 0.01)
    assert change is not None
    assert (state.state, state.interval, state.latency) == ("healthy", 30.0, 0.01)
    assert state.failed(2.0, "refused") is None
    assert (state.state, state.interval, state.error) == ("healthy", 1.0, "refused")
    assert state.failed(3.0, "refused") is None
    change = state.failed(4.0, "refused")
    assert change is not None
    assert (change.state, change.reason, change.at) == ("unhealthy", "refused", 4.0)


def test_an_answer_between_failures_starts_the_count_anew() -> None:
    state = State()
    state.ok(0.0, 0.01)
    for _ in range(5):
        state.failed(1.0, "late")
        state.failed(2.0, "late")
        state.ok(3.0, 0.01)
    assert state.state == "healthy"
    assert len(state.history) == 1


def test_an_unhealthy_one_is_probed_ever_more_rarely_and_comes_back_after_two_answers() -> None:
    state = State()
    for at in range(3):
        state.failed(at, "down")
    waits = [state.interval]
    for at in range(3, 80):
        assert state.failed(at, "down") is None
        waits.append(state.interval)
    assert waits[:57] == [5.0] * 57 and waits[57:] == [30.0] * 21
    assert state.ok(9.0, 0.02) is None
    assert (state.state, state.interval) == ("unhealthy", 1.0)
    change = state.ok(10.0, 0.02)
    assert change is not None
    assert (change.state, change.reason) == ("healthy", "it answers again")
    assert [turn.state for turn in state.history] == ["unhealthy", "healthy"]


def test_where_trying_again_changes_nothing_it_is_asked_rarely() -> None:
    state = State()
    state.failed(0.0, "the key is refused (401)", certain=True, lasting=True)
    assert state.interval == 30.0
    state.failed(1.0, "it refused the connection")
    assert state.interval == 5.0


def test_what_is_away_and_was_there_before_is_waited_for() -> None:
    state = State()
    state.ok(0.0, 0.01)
    assert state.away(1.0, "it hangs") is None and state.interval == 1.0
    assert state.away(2.0, "it hangs") is None
    change = state.away(3.0, "it hangs")
    assert change is not None and (change.state, state.interval) == ("warming", 1.0)
    assert change.reason == "it hangs; it was there before, and may be starting"
    assert state.away(3.0 + WARMING_FOR, "it hangs") is not None and state.state == "unhealthy"
    assert state.away(4.0 + WARMING_FOR, "it hangs") is not None and state.state == "unhealthy"
    state.ok(5.0 + WARMING_FOR, 0.01)
    assert state.ok(6.0 + WARMING_FOR, 0.01) is not None
    assert state.away(7.0 + WARMING_FOR, "it refused the connection", certain=True) is not None
    assert state.state == "warming"
    assert state.ok(8.0 + WARMING_FOR, 0.01) is not None and state.state == "healthy"


def test_requests_that_fail_in_a_row_make_it_unhealthy_until_one_is_served() -> None:
    state = State()
    state.ok(0.0, 0.01)
    for at in range(2):
        assert state.let_down(at, "it answered 502") is None
    assert state.served(2.0) is None
    for at in range(3):
        change = state.let_down(at, "it answered 502")
    assert change is not None
    assert (change.state, change.reason) == ("unhealthy", "its last 3 requests failed: it answered 502")
    assert state.ok(5.0, 0.01) is None and state.ok(6.0, 0.01) is None and state.lets_down
    assert state.state == "unhealthy" and state.interval == 5.0
    assert state.served(7.0) is not None and state.state == "healthy"
    for at in range(3):
        state.let_down(at, "it answered 502")
    state.away(9.0, "it refused the connection", certain=True)
    assert state.state == "warming" and not state.lets_down
    assert state.ok(10.0, 0.01) is not None and state.state == "healthy"


def test_a_close_look_needs_no_second_one() -> None:
    state = State()
    for at in range(3):
        state.failed(at, "down")
    assert state.ok(4.0, 0.02, sure=True) is not None
    assert state.state == "healthy"


def test_a_refused_key_counts_at_once_and_another_reason_is_news() -> None:
    state = State()
    state.ok(0.0, 0.01)
    assert state.failed(1.0, "the key is refused (401)", certain=True) is not None
    assert state.failed(2.0, "the key is refused (401)", certain=True) is None
    assert state.failed(3.0, "refused the connection") is not None
    assert [turn.reason for turn in state.history] == [
        "it answers",
        "the key is refused (401)",
        "refused the connection",
    ]


def test_warming_up_is_looked_at_each_second_for_five_minutes() -> None:
    state = State()
    change = state.warming(10.0, "it is warming up (503)")
    assert change is not None
    assert (state.state, state.interval) == ("warming", 1.0)
    assert state.warming(10.0 + WARMING_FOR - 1, "it is warming up (503)") is None
    assert state.state == "warming"
    change = state.warming(10.0 + WARMING_FOR, "it is warming up (503)")
    assert change is not None
    assert (state.state, change.reason) == ("unhealthy", "it has been warming up for more than 300 s")
    state = State()
    state.warming(0.0, "503")
    assert state.ok(1.0, 0.01) is not None
    assert state.state == "healthy"


def test_switched_off_and_on_again() -> None:
    state = State()
    state.ok(0.0, 0.01)
    assert state.disabled(1.0) is not None
    assert state.disabled(2.0) is None
    assert state.state == "disabled"
    state.anew(3.0, "switched on")
    assert (state.state, state.latency) == ("unknown", None)
    assert state.ok(4.0, 0.01) is not None


def test_latency_is_smoothed() -> None:
    state = State()
    state.ok(0.0, 1.0)
    state.ok(1.0, 0.0)
    assert state.latency == 0.8
