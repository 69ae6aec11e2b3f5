"""The pulls that run: what is told of them, and how one is ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines.making import gguf_bytes, make_gguf, until
from engines.serving import Script, serving

from bago_jupyter.engines import pulls
from bago_jupyter.engines.pull import PARTIAL
from bago_jupyter.engines.pulls import Pulls
from bago_jupyter.errors import InvalidRequest, NotFound, Overloaded, PullCancelled
from bago_jupyter.wire import Progress, PullInfo, PullRequest, public_source

DATA = gguf_bytes(elements=32 * 120_000)


class Told:
    """Pulls, and what they told."""

    def __init__(self, folder: Path):
        self.news: list[PullInfo] = []
        self.pulls = Pulls(folder, self.news.append)

    def begin(self, source: str, **options: Any) -> asyncio.Task[str]:
        return asyncio.create_task(self.pulls.run(PullRequest(source=source, **options), "cli"))

    @property
    def states(self) -> list[str]:
        return [info.state for info in self.news]


def test_a_pull_is_told_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    source = make_gguf(tmp_path / "folder" / "m.gguf", elements=32 * 1000)

    async def run() -> None:
        told, steps = Told(tmp_path / "models"), list[Progress]()
        wanted = PullRequest(source=str(source), name="mine")
        assert await told.pulls.run(wanted, "notebook:a", steps.append) == "mine"
        first, last = told.news[0], told.news[-1]
        assert (first.state, first.progress, first.model) == ("running", None, None)
        assert (first.source, first.name, first.by) == ("m.gguf", "mine", "notebook:a")
        assert (last.id, last.state, last.model) == (first.id, "done", "mine")
        assert set(told.states[:-1]) == {"running"} and told.pulls.all() == []
        assert steps, "whoever began it hears every step"

    asyncio.run(run())


def test_progress_is_told_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = asyncio.Event()

    async def steps(source: str, folder: Path, *, progress: Callable[[Progress], None], **_: Any) -> str:
        for at in range(1000):
            progress(Progress(stage="downloading", done=at, total=1000))
        await go.wait()
        return "m"

    monkeypatch.setattr(pulls, "pull", steps)

    async def run() -> None:
        told = Told(tmp_path)
        task = told.begin("https://host/m.gguf")
        await until(lambda: len(told.news) == 3)
        assert told.news[2].progress is not None and told.news[2].progress.done == 999, "the latest is told"
        go.set()
        await task
        assert told.states == ["running", "running", "running", "done"]

    asyncio.run(run())


def test_anybody_can_end_a_pull_and_another_goes_on_there(tmp_path: Path) -> None:
    script = Script(DATA, hold=threading.Event())

    async def run(url: str) -> None:
        told = Told(tmp_path)
        task = told.begin(f"{url}/m.gguf?token=hush")
        part = tmp_path / PARTIAL / "m" / "m.gguf"
        await until(lambda: part.is_file() and part.stat().st_size)
        (info,) = told.pulls.all()
        assert info.source == f"{url}/m.gguf"
        with pytest.raises(NotFound):
            told.pulls.cancel("nonsense")
        told.pulls.cancel(info.id)
        with pytest.raises(PullCancelled, match="kept"):
            await task
        assert told.states[-1] == "cancelled" and told.pulls.all() == []
        with pytest.raises(NotFound):
            told.pulls.cancel(info.id)
        assert script.hold is not None
        script.hold.set()
        assert await told.begin(f"{url}/m.gguf?token=hush") == "m"

    with serving(script) as url:
        asyncio.run(run(url))
    assert "range" in script.asked[-1]


def test_who_goes_away_is_told_nothing(tmp_path: Path) -> None:
    script = Script(DATA, hold=threading.Event())

    async def run(url: str) -> None:
        told = Told(tmp_path)
        task = told.begin(f"{url}/m.gguf")
        await until(lambda: script.half_sent.is_set())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told.states[-1] == "cancelled"
        assert script.hold is not None
        script.hold.set()

    with serving(script) as url:
        asyncio.run(run(url))


def test_a_pull_that_fails_says_why(tmp_path: Path) -> None:
    async def run() -> None:
        told = Told(tmp_path)
        with pytest.raises(InvalidRequest):
            await told.begin("nothing-of-that-name")
        assert told.states == ["running", "failed"] and "Cannot pull" in (told.news[-1].error or "")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("smollm2", "smollm2"),
        ("hf:org/repo@v1/file.gguf", "hf:org/repo@v1/file.gguf"),
        ("https://me:pass@x.org:81/m.gguf?token=secret#secret", "https://x.org:81/m.gguf"),
        ("HTTPS://me:pass@x.org/m.gguf", "https://x.org/m.gguf"),
        ("https://me:pass@[x.org/m.gguf", "the URL"),
        ("/home/me/secret project/m.gguf", "m.gguf"),
        ("file:///home/me/folder/", "folder"),
        (r"C:\models\m.gguf", "m.gguf"),
    ],
)
def test_a_source_is_shown_without_what_may_be_secret(source: str, shown: str) -> None:
    assert public_source(source) == shown


def test_peers_can_have_a_few_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = asyncio.Event()

    async def waiting(source: str, folder: Path, **_: Any) -> str:
        await go.wait()
        return source

    monkeypatch.setattr(pulls, "pull", waiting)

    async def run() -> None:
        told = Told(tmp_path)

        def begin(name: str, by_peer: bool = True) -> asyncio.Task[str]:
            wanted = PullRequest(source=f"https://example.org/\x1b[2J{name}")
            return asyncio.create_task(told.pulls.run(wanted, "peer:eve", by_peer=by_peer))

        tasks = [begin(str(number)) for number in range(pulls.OF_PEERS)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await begin("more")
        mine = begin("mine", by_peer=False)
        go.set()
        assert await mine and await asyncio.gather(*tasks) and await begin("later")
        assert not any("\x1b" in info.source for info in told.news)

    asyncio.run(run())
