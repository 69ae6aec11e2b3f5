"""How events change a status between two reads of it."""

from __future__ import annotations

from bago_jupyter.events import LibraryChanged, Notice, RequestEnded, RequestStarted, RunnerChanged
from bago_jupyter.widgets.pump import fold
from bago_jupyter.wire import Counts, RunnerInfo, Status


def status() -> Status:
    return Status(
        name="attic", fingerprint="fp_00", version="0", pid=1, place="thread", started_at=0, uptime=1,
        home="/", url="http://127.0.0.1:1/v1", port=1, loop="uvloop",
    )  # fmt: skip


def ended(outcome: str) -> RequestEnded:
    return RequestEnded(id="1", model="m", backend="b", outcome=outcome, seconds=1, tokens=2)


def test_requests_are_counted_by_their_outcome() -> None:
    now = status()
    for outcome in ("ok", "cancelled", "upstream_failed"):
        assert fold(now, RequestStarted(id="1", model="m", backend="b"))
        assert now.requests.in_flight == 1
        assert fold(now, ended(outcome))
    assert now.requests == Counts(total=3, ok=1, cancelled=1, failed=1, in_flight=0)
    fold(now, ended("ok"))
    assert now.requests.in_flight == 0


def test_a_runner_is_replaced_by_its_news() -> None:
    now = status()
    for state in ("loading", "ready"):
        assert fold(
            now, RunnerChanged(runner=RunnerInfo(model="m", task="generate", state=state, engine="e"))
        )
    fold(now, RunnerChanged(runner=RunnerInfo(model="m", task="embed", state="loading", engine="e")))
    assert [(runner.task, runner.state) for runner in now.runners] == [
        ("generate", "ready"),
        ("embed", "loading"),
    ]


def test_a_notice_is_kept_once_and_the_rest_changes_nothing() -> None:
    now = status()
    assert fold(now, Notice(message="hm"))
    assert not fold(now, Notice(message="hm"))
    assert not fold(now, LibraryChanged(models=[]))
    assert now.notices == ["hm"]
