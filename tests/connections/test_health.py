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
    assert (state.state, state.interval, state.error) == ("healthy", 5.0, "refused")
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
    for at in range(3, 8):
        assert state.failed(at, "down") is None
        waits.append(state.interval)
    assert waits == [5.0, 10.0, 20.0, 30.0, 30.0, 30.0]
    assert state.ok(9.0, 0.02) is None
    assert (state.state, state.interval) == ("unhealthy", 5.0)
    change = state.ok(10.0, 0.02)
    assert change is not None
    assert (change.state, change.reason) == ("healthy", "it answers again")
    assert [turn.state for turn in state.history] == ["unhealthy", "healthy"]


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
