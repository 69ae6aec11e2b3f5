"""How events change a status between two reads of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from faults import Call, Faults

from bago_jupyter.backends import Dispatcher, HttpBackend, Request
from bago_jupyter.errors import BagoError
from bago_jupyter.events import Bus, LibraryChanged, Notice, RequestEnded, RequestStarted, RunnerChanged
from bago_jupyter.router import Shape
from bago_jupyter.widgets.pump import fold
from bago_jupyter.wire import Counts, Outcome, RunnerInfo, Status, Verdict


def status() -> Status:
    return Status(
        name="attic", fingerprint="fp_00", version="0", pid=1, place="thread", started_at=0, uptime=1,
        home="/", url="http://127.0.0.1:1/v1", port=1, loop="uvloop",
    )  # fmt: skip


def ended(verdict: Verdict, outcome: Outcome = "ok", backend: str | None = "b") -> RequestEnded:
    return RequestEnded(
        id="1", model="m", backend=backend, outcome=outcome, seconds=1, tokens=2, verdict=verdict
    )


def test_requests_are_counted_by_their_verdict() -> None:
    now = status()
    verdicts: tuple[Verdict, ...] = ("ok", "cancelled", "failed")
    for verdict in verdicts:
        assert fold(now, RequestStarted(id="1", model="m", backend="b"))
        assert now.requests.in_flight == 1
        assert fold(now, ended(verdict))  # an answer of 404 that came whole has the outcome "ok"
    assert now.requests == Counts(total=3, ok=1, cancelled=1, failed=1, in_flight=0)
    fold(now, ended("ok"))
    assert now.requests.in_flight == 0


def test_a_request_counts_once_however_many_are_asked() -> None:
    now = status()
    for attempt in (1, 2):
        fold(now, RequestStarted(id="1", model="m", backend=f"b{attempt}", attempt=attempt))
    assert (now.requests.total, now.requests.in_flight) == (1, 1)
    fold(now, ended("failed", "failed", backend=None))
    assert (now.requests.total, now.requests.in_flight, now.requests.failed) == (2, 1, 1)


def test_the_events_of_a_node_count_as_it_does() -> None:
    async def fails(call: Call) -> None:
        await call.json(b'{"error":{"message":"no"}}', 503)

    async def refuses_the_second(call: Call) -> None:
        await call.json(b"{}", 404 if call.number == 2 else 200)

    async def main() -> None:
        bus = Bus()
        now = status()
        bus.listen(lambda event: fold(now, event) and None)
        dispatcher = Dispatcher(bus, policy="priority")
        async with Faults(fails) as a, Faults(refuses_the_second) as b:
            for name, server in (("a", a), ("b", b)):
                dispatcher.add(HttpBackend(name, server.url, ["m"]))
            for number, model in enumerate(("m", "m", "none", "m")):
                request = Request(
                    id=str(number), path=b"/v1/chat/completions", body=b"{}", header_timeout=5.0
                )
                with suppress(BagoError):
                    await (await dispatcher.open(request, Shape(model=model, prompt_tokens=1))).read_all()
            await dispatcher.close()
        counts = dispatcher.counts
        assert (counts.total, counts.ok, counts.failed) == (4, 2, 2)
        assert now.requests == Counts(total=4, ok=2, failed=2)
        assert len(a.calls) >= 1, "a request must have moved on"

    asyncio.run(asyncio.wait_for(main(), 30))


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
