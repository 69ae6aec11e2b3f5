"""Presence of a paired node, on made-up time."""

from __future__ import annotations

import random

from bago_jupyter.discovery.presence import FAREWELL, HISTORY, PROBE_TIMEOUT, Presence


def test_the_first_answer_is_enough() -> None:
    presence = Presence()
    turn = presence.ok(0, 0.002, "boot 1")
    assert turn is not None
    assert (turn.state, turn.reason) == ("online", "it answers")
    assert presence.ok(1, 0.002, "boot 1") is None
    assert presence.latency == 0.002


def die(presence: Presence, now: float, *, hard: bool) -> float:
    """Probe a dead node as the owner does, and return when it was found out."""
    start = now
    now += presence.interval
    while True:
        done = now if hard else now + PROBE_TIMEOUT
        if presence.failed(done, "refused the connection" if hard else "did not answer", hard=hard):
            return done - start
        now = max(done, now + presence.interval)


def alive(seconds: int) -> Presence:
    presence = Presence()
    for second in range(seconds + 1):
        presence.ok(second, 0.001, "boot")
    return presence


def test_a_dead_process_is_out_within_5_s() -> None:
    presence = alive(60)
    assert 2 <= die(presence, 60, hard=True) <= 5
    assert presence.state == "offline"
    assert presence.reason == "it refused the connection"


def test_a_silent_one_is_suspected_at_once_and_out_within_10_s() -> None:
    presence = alive(60)
    presence.failed(62, "did not answer")
    assert not presence.suspect
    presence.failed(63, "did not answer")
    assert presence.suspect
    assert presence.interval < 1
    presence = alive(60)
    assert 4 <= die(presence, 60, hard=False) <= 10


def test_two_refusals_of_a_restarting_node_are_not_seen() -> None:
    presence = alive(60)
    presence.failed(61, "refused the connection", hard=True)
    presence.failed(61.5, "refused the connection", hard=True)
    turn = presence.ok(62, 0.001, "another boot")
    assert turn is not None
    assert turn.restart
    assert turn.state == presence.state == "online"
    assert [entry.state for entry in presence.history] == ["online", "online"]


def test_a_long_restart_is_no_flap() -> None:
    presence = alive(60)
    now = 60.0
    for boot in range(10):
        now += die(presence, now, hard=True) + 5
        turn = presence.ok(now, 0.001, f"boot {boot}")
        assert turn is not None
        assert turn.restart
        assert presence.hold(now) == 0
        now += 1


def lossy(share: float, seconds: int, seed: int, rhythm: bool = True) -> int:
    """Visible transitions of a node that lives, while probes get lost."""
    chance = random.Random(seed)
    presence = alive(30)
    now, turns = 30.0, 0
    while now < 30 + seconds:
        if chance.random() < share:
            now += PROBE_TIMEOUT
            turns += presence.failed(now, "did not answer") is not None
        else:
            turns += presence.ok(now, 0.001, "boot") is not None
            now += presence.interval
    return turns


def test_30_percent_loss_for_5_minutes_is_not_seen() -> None:
    runs = [lossy(0.3, 300, seed) for seed in range(500)]
    assert sum(count > 1 for count in runs) <= 5


def test_a_node_that_comes_and_goes_is_damped() -> None:
    presence = alive(10)
    now, turns = 10.0, 0
    while now < 610:  # ten minutes of 6 s away, 3 s there
        for _ in range(6):
            now += 1
            turns += presence.failed(now, "refused the connection", hard=True) is not None
        for _ in range(3):
            now += 1
            turns += presence.ok(now, 0.001, "boot") is not None
    assert turns <= 8
    assert presence.state == "offline"
    for second in range(70):
        presence.ok(now + second, 0.001, "boot")
    assert presence.state == "online"


def test_one_absence_is_forgiven_at_the_first_answer() -> None:
    presence = alive(10)
    now = 10 + die(presence, 10, hard=False)
    turn = presence.ok(now + 1, 0.001, "boot")
    assert turn is not None
    assert turn.reason == "it answers again"


def test_the_last_words_of_a_leaving_node_are_no_return() -> None:
    presence = alive(10)
    turn = presence.left(10, "it went down")
    assert turn is not None
    assert (turn.state, turn.reason) == ("offline", "it went down")
    assert presence.ok(10.2, 0.001, "boot") is None
    assert presence.failed(11, "refused the connection", hard=True) is None
    assert presence.ok(10 + FAREWELL + 1, 0.001, "boot") is not None


def test_a_leaving_node_that_restarts_is_back_at_once() -> None:
    presence = alive(10)
    presence.left(10, "it went down")
    assert presence.ok(11, 0.001, "another") is not None


def test_a_node_that_never_answered_is_offline_in_the_end() -> None:
    presence = Presence()
    for second in range(20):
        presence.failed(second, "did not answer")
    assert presence.state == "offline"
    assert [entry.reason for entry in presence.history] == ["it did not answer"]


def test_the_history_is_bounded() -> None:
    presence = Presence()
    for n in range(1000):
        presence.ok(n, 0.001, f"boot {n}")
    assert len(presence.history) == HISTORY
