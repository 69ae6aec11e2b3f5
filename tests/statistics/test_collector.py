"""Counting in memory."""

from __future__ import annotations

from decisions import decision

from bago_jupyter.statistics.collector import (
    CALLERS,
    IN_VAIN,
    KEYS,
    LONGEST,
    OTHER,
    TOTALS,
    Collector,
)
from bago_jupyter.wire import Attempt

AT = 1_700_000_000 // 3600 * 3600


def test_a_minute_is_that_of_the_end() -> None:
    collector = Collector()
    collector.record(decision(ended=AT + 59.9, seconds=300))
    collector.record(decision(ended=AT + 60.1, seconds=300))
    collector.record(decision(ended=AT + 61.0, seconds=0.1))
    assert {key.at: cell.requests for key, cell in collector.take().items()} == {AT: 1, AT + 60: 2}
    assert collector.take() == {}


def test_model_and_node_are_those_that_answered() -> None:
    collector = Collector()
    asked = decision("beta/smol", node=None, ended=AT)
    asked.attempts = [
        Attempt(backend="a", node="alpha", model="smol", started=0, outcome="failed", cause="refused"),
        Attempt(backend="b", node="beta", model="smol-v2", started=0, outcome="ok"),
        Attempt(backend="c", node="gamma", model="smol", started=0, outcome="overtaken"),
    ]
    collector.record(asked)
    collector.record(decision("nothing", node=None, ended=AT, dialect="rerank", caller="team"))
    assert set(collector.take()) == {
        (AT, "smol-v2", "beta", "local", "chat"),
        (AT, "nothing", "", "team", "rerank"),
    }


def test_names_that_nobody_has_are_bounded() -> None:
    collector = Collector()
    for number in range(1000):
        collector.record(decision(f"no-{number}", node=None, ended=AT + number))
    collector.record(decision("smol", ended=AT))
    cells = collector.take()
    assert len({key.model for key in cells}) == IN_VAIN + 2
    assert sum(cell.requests for cell in cells.values()) == 1001
    assert sum(cell.requests for key, cell in cells.items() if key.model == OTHER) == 1000 - IN_VAIN
    collector.record(decision("another", node=None, ended=AT + 3600))
    assert [key.model for key in collector.take()] == ["another"], "the next hour has room again"


def test_callers_are_bounded() -> None:
    collector = Collector()
    for number in range(1000):
        collector.record(decision(caller=f"c{number}", ended=AT))
    cells = collector.take()
    assert len(cells) == CALLERS + 1
    assert cells[next(key for key in cells if key.caller == OTHER)].requests == 1000 - CALLERS


def test_everything_together_is_bounded() -> None:
    collector = Collector()
    for number in range(3 * KEYS):
        collector.record(decision(f"m{number}", ended=AT))
        collector.take()
    for _ in range(3):
        collector.record(decision("m1", ended=AT))
    collector.record(decision("new", ended=AT))
    assert {key.model: cell.requests for key, cell in collector.take().items()} == {"m1": 3, OTHER: 1}
    assert len(collector.totals) <= TOTALS + IN_VAIN + 1
    assert sum(cell.requests for cell in collector.totals.values()) == 3 * KEYS + 4


def test_totals_of_names_that_nobody_has_are_bounded_for_good() -> None:
    collector = Collector()
    for hour in range(100):
        collector.record(decision(f"no-{hour}", node=None, ended=AT + 3600 * hour))
        collector.take()
    assert len(collector.totals) == IN_VAIN + 1
    assert collector.totals[(OTHER, "", "chat")].requests == 100 - IN_VAIN


def test_names_that_no_file_could_hold() -> None:
    collector = Collector()
    collector.record(decision("x" * 10_000, ended=AT, caller="a\ud800b"))
    (key,) = collector.take()
    assert key.model == "x" * LONGEST and key.caller == "a?b"
