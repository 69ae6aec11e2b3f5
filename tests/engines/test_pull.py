from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines.making import gguf_bytes, make_folder, make_gguf, until
from engines.serving import Script, serving

from bago_jupyter.engines import download
from bago_jupyter.engines.library import Library
from bago_jupyter.engines.pull import PARTIAL, pull
from bago_jupyter.engines.scan import scan
from bago_jupyter.errors import InvalidRequest, ModelFileError, PullFailed
from bago_jupyter.wire import Progress

DATA = gguf_bytes(elements=32 * 120_000)
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "BACKOFF", 0.01)


def get(source: str | Path, root: Path, **options: str) -> tuple[str, list[Progress]]:
    seen: list[Progress] = []
    return asyncio.run(pull(str(source), root, progress=seen.append, **options)), seen


def rest(root: Path) -> set[str]:
    """What lies in the folder of partial files beside locks and records."""
    return {p.name for p in (root / PARTIAL).iterdir() if p.suffix not in (".lock", ".source")}


def test_a_path(tmp_path: Path) -> None:
    source, root = make_gguf(tmp_path / "m.gguf", elements=32 * 200_000), tmp_path / "models"
    id, seen = get(source, root, name="org/mine")
    assert id == "org/mine" and (root / "org" / "mine.gguf").read_bytes() == source.read_bytes()
    copied = [p for p in seen if p.stage == "copying"]
    assert copied[-1].done == copied[-1].total == source.stat().st_size
    assert set(scan(root)) == {"org/mine"} and not rest(root)


def test_a_folder(tmp_path: Path) -> None:
    id, _ = get(make_folder(tmp_path / "mlx"), tmp_path / "models")
    assert id == "mlx" and set(scan(tmp_path / "models")) == {"mlx"}


def test_a_split_model(tmp_path: Path) -> None:
    parts = [make_gguf(tmp_path / f"big-{no:05}-of-00002.gguf") for no in (1, 2)]
    id, _ = get(parts[1], tmp_path / "models", name="other")
    assert id == "other" and scan(tmp_path / "models")["other"].size == 2 * parts[0].stat().st_size
    parts[1].unlink()
    with pytest.raises(InvalidRequest, match=r"big is incomplete: big-00002-of-00002\.gguf is missing in "):
        get(parts[0], tmp_path / "models")
    assert set(scan(tmp_path / "models")) == {"other"}


def test_a_url_with_digest_and_resume(tmp_path: Path) -> None:
    script = Script(DATA, drops=[1_200_000])
    with serving(script) as url:
        id, seen = get(f"{url}/x/Model.gguf", tmp_path, sha256=f"sha256:{SHA.upper()}")
    assert id == "Model" and (tmp_path / "Model.gguf").read_bytes() == DATA and not rest(tmp_path)
    assert "range" in script.asked[1]
    assert [p.stage for p in seen][-1] == "checking"


def test_a_second_pull_of_the_same_costs_nothing(tmp_path: Path) -> None:
    script = Script(DATA)
    with serving(script) as url:
        get(f"{url}/m.gguf", tmp_path)
        id, seen = get(f"{url}/m.gguf", tmp_path)
        assert id == "m" and len(script.asked) == 1 and seen[-1].message == "m is there already."
        with pytest.raises(InvalidRequest, match="another model called m"):
            get(f"{url}/other/m.gguf", tmp_path)
        (tmp_path / "m.gguf").unlink()
        get(f"{url}/m.gguf", tmp_path)
        assert len(script.asked) == 2


def test_a_given_digest_recognises_a_file(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(DATA)
    with serving(Script(DATA)) as url:
        assert get(f"{url}/m.gguf", tmp_path, sha256=SHA)[0] == "m"
        with pytest.raises(InvalidRequest, match="another model called m"):
            get(f"{url}/m.gguf", tmp_path, sha256="0" * 64)


@pytest.mark.parametrize("data", [b"GGUF" + bytes(50), DATA[:-1], b"<html>no model</html>"])
def test_a_corrupt_model_is_refused(tmp_path: Path, data: bytes) -> None:
    with serving(Script(data)) as url, pytest.raises(ModelFileError):
        get(f"{url}/m.gguf", tmp_path)
    (tmp_path / "in.gguf").write_bytes(data)
    with pytest.raises(ModelFileError):
        get(tmp_path / "in.gguf", tmp_path / "models")
    assert not scan(tmp_path / "models") and not rest(tmp_path) and not rest(tmp_path / "models")


def test_a_wrong_digest_is_refused(tmp_path: Path) -> None:
    path = make_gguf(tmp_path / "in.gguf")
    with pytest.raises(PullFailed, match="expected was 0000"):
        get(path, tmp_path / "models", sha256="0" * 64)
    assert not scan(tmp_path / "models") and not rest(tmp_path / "models")
    with pytest.raises(InvalidRequest, match="64 hexadecimal"):
        get(path, tmp_path / "models", sha256="xyz")


def test_two_pulls_of_one_model(tmp_path: Path) -> None:
    async def run(url: str) -> None:
        first = asyncio.create_task(pull(f"{url}/m.gguf", tmp_path))
        await until(lambda: script.asked)
        with pytest.raises(InvalidRequest, match="m is already being pulled"):
            await pull(f"{url}/other/m.gguf", tmp_path)
        assert script.hold is not None
        script.hold.set()
        assert await first == "m"

    script = Script(DATA, hold=threading.Event())
    with serving(script) as url:
        asyncio.run(run(url))


def test_a_cancelled_pull_shows_nothing_and_resumes(tmp_path: Path) -> None:
    script = Script(DATA, hold=threading.Event())

    async def run(url: str) -> None:
        library = Library(tmp_path / "models", tmp_path / "cache.json", lambda: None)
        await library.start()
        task = asyncio.create_task(pull(f"{url}/m.gguf", library.root))
        part = library.root / PARTIAL / "m" / "m.gguf"
        await until(lambda: part.is_file() and part.stat().st_size)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await library.rescan()
        assert not library.models and not library.broken
        assert script.hold is not None
        script.hold.set()
        assert await pull(f"{url}/m.gguf", library.root) == "m"
        await library.rescan()
        assert set(library.models) == {"m"}
        await library.stop()

    with serving(script) as url:
        asyncio.run(run(url))
    assert "range" in script.asked[-1]


def test_a_cancelled_copy_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "in.gguf"
    with source.open("wb") as file:
        file.write(gguf_bytes(elements=32))
        file.truncate(2 << 30)  # a hole, so it costs no disk

    async def run() -> None:
        seen: list[Progress] = []
        task = asyncio.create_task(pull(str(source), tmp_path / "models", progress=seen.append))
        await until(lambda: seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert not scan(tmp_path / "models") and not rest(tmp_path / "models")


def test_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(DATA, etag=f'"{SHA}"')
    with serving(script) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        id, _ = get("hf:org/repo/m-Q8.gguf", tmp_path)
        assert id == "m-Q8" and (tmp_path / "m-Q8.gguf").read_bytes() == DATA
        assert "/org/repo/resolve/main/m-Q8.gguf" in {asked["path"] for asked in script.asked}
        script.data = DATA[:-1] + b"!"
        with pytest.raises(PullFailed, match="expected was"):
            get("hf:org/repo/other.gguf", tmp_path)
    with pytest.raises(PullFailed, match=r"hf:org/repo/gone\.gguf cannot be fetched"):
        get("hf:org/repo/gone.gguf", tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], capture_output=True)
    if made.returncode:
        pytest.skip(f"cannot mount a small disk: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_no_half_model(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_gguf(tmp_path / "in.gguf", elements=32 * 100_000)
    with serving(Script(source.read_bytes())) as url:
        for what in (source, f"{url}/m.gguf"):
            with pytest.raises(PullFailed, match="MB free; free some space"):
                get(what, small_disk)
        monkeypatch.setattr("bago_jupyter.engines.pull.check_space", lambda *_: None)
        monkeypatch.setattr(download, "check_space", lambda *_: None)
        for what in (source, f"{url}/m.gguf"):
            with pytest.raises(PullFailed, match="is full; free some space"):
                get(what, small_disk)
    assert not scan(small_disk)
