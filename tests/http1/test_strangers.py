"""How many connections strangers may have; over real sockets in ``tests/mesh/test_strangers.py``."""

from __future__ import annotations

import logging
import resource

import pytest

from bago_jupyter.http1 import strangers
from bago_jupyter.http1.strangers import PER_ADDRESS, Strangers, cap


def come(many: Strangers, host: str, count: int) -> tuple[list[object], list[object]]:
    """Whoever came, and whoever has to go for it."""
    things = [object() for _ in range(count)]
    return things, [gone for thing in things for gone in many.arrived(thing, host)]


def test_this_machine_is_no_stranger() -> None:
    many = Strangers()
    for host in ("127.0.0.1", "127.1.2.3", "::1"):
        assert come(many, host, 500)[1] == []
    assert len(many) == 0


def test_the_oldest_of_an_address_go_and_those_of_others_stay() -> None:
    many = Strangers()
    others, _ = come(many, "203.0.113.1", PER_ADDRESS)
    mine, gone = come(many, "203.0.113.2", PER_ADDRESS + 3)
    assert gone == mine[:3]
    assert len(many) == 2 * PER_ADDRESS
    many.forget(others[0])
    assert come(many, "203.0.113.1", 1)[1] == []


def test_there_is_an_end_for_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "cap", lambda: 10)
    many = Strangers()
    first, _ = come(many, "203.0.113.1", 8)
    gone = [come(many, f"198.51.100.{number}", 1)[1] for number in range(4)]
    assert gone == [[], [], [first[0]], [first[1]]]
    assert len(many) == 10


def test_the_end_is_half_of_the_files_that_may_be_open() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
        assert cap() == 500
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_shows_a_right_counts_no_more_and_who_changes_its_protocol_still_does() -> None:
    many = Strangers()
    things, _ = come(many, "203.0.113.1", PER_ADDRESS)
    tls = object()
    many.became(things[0], tls)
    assert len(many) == PER_ADDRESS
    many.became(tls, None)
    many.became(tls, object())
    assert len(many) == PER_ADDRESS - 1
    assert come(many, "203.0.113.1", 1)[1] == []


def test_a_flood_is_said_once_and_says_nothing_of_a_key(caplog: pytest.LogCaptureFixture) -> None:
    many = Strangers()
    with caplog.at_level(logging.WARNING, "bago.http"):
        come(many, "203.0.113.7", 3 * PER_ADDRESS)
    (said,) = caplog.messages
    assert "203.0.113.7" in said and str(PER_ADDRESS) in said
