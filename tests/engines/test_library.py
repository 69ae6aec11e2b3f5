from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest
from engines.making import KEYS, gguf_bytes, make_folder, make_gguf, until

from bago_jupyter.engines import library as module
from bago_jupyter.engines.library import Library
from bago_jupyter.errors import ModelFileError, ModelNotFound


class Fixture:
    def __init__(self, folder: Path):
        self.root = folder / "models"
        self.changes = 0
        self.library = Library(self.root, folder / "library.json", self.changed)

    def changed(self) -> None:
        self.changes += 1

    async def __aenter__(self) -> Fixture:
        await self.library.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.library.stop()


def age(path: Path) -> Path:
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def test_files_come_and_go(tmp_path: Path) -> None:
    async def run() -> None:
        async with Fixture(tmp_path) as fixture:
            library = fixture.library
            assert fixture.root.is_dir() and not library.models
            make_gguf(fixture.root / "one.gguf")
            make_gguf(fixture.root / "org" / "two.GGUF")
            make_folder(fixture.root / "three")
            make_gguf(fixture.root / ".hidden.gguf")
            make_gguf(fixture.root / ".partial" / "x.gguf")
            make_gguf(fixture.root / "half.gguf.partial")
            await until(lambda: set(library.models) == {"one", "org/two", "three"})
            assert fixture.changes >= 1 and library.get("org/two").path == fixture.root / "org" / "two.GGUF"
            (fixture.root / "one.gguf").unlink()
            await until(lambda: set(library.models) == {"org/two", "three"})

    asyncio.run(run())


def test_names_are_taken_as_they_are_spelt_elsewhere(tmp_path: Path) -> None:
    async def run() -> None:
        async with Fixture(tmp_path) as fixture:
            library = fixture.library
            age(make_gguf(fixture.root / "Phi.gguf"))
            await until(lambda: set(library.models) == {"Phi"})
            assert library.get("phi").id == library.get("PHI:latest").id == "Phi"
            assert (library.created("Phi"), library.created("phi")) == (1_700_000_000, None)
            make_gguf(fixture.root / "phi.gguf")
            await until(lambda: len(library.models) == 2)
            assert library.get("phi").id == "phi"
            with pytest.raises(ModelNotFound, match="Did you mean"):
                library.get("PHI")

    asyncio.run(run())


def test_a_slow_copy_settles_by_itself(tmp_path: Path) -> None:
    async def run() -> None:
        async with Fixture(tmp_path) as fixture:
            data = gguf_bytes()
            with (fixture.root / "slow.gguf").open("wb") as file:
                for at in range(0, len(data), 64):
                    file.write(data[at : at + 64])
                    file.flush()
                    assert not fixture.library.broken and not fixture.library.models
                    await asyncio.sleep(0.02)
            await until(lambda: "slow" in fixture.library.models)

    asyncio.run(run())


def test_a_broken_file_is_named_and_can_be_mended(tmp_path: Path) -> None:
    async def run() -> None:
        age(make_gguf(tmp_path / "models" / "bad.gguf"))
        (tmp_path / "models" / "bad.gguf").write_bytes(gguf_bytes()[:100])
        age(tmp_path / "models" / "bad.gguf")
        async with Fixture(tmp_path) as fixture:
            assert "truncated" in fixture.library.broken["bad"]
            with pytest.raises(ModelFileError, match="truncated"):
                fixture.library.get("bad")
            make_gguf(fixture.root / "bad.gguf")
            await until(lambda: "bad" in fixture.library.models and not fixture.library.broken)

    asyncio.run(run())


def test_a_fresh_broken_file_is_named_once_it_has_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLE", 0.2)

    async def run() -> None:
        async with Fixture(tmp_path) as fixture:
            (fixture.root / "bad.gguf").write_bytes(b"no model")
            await until(lambda: "bad" in fixture.library.broken)

    asyncio.run(run())


def test_digests_come_later_and_are_remembered(tmp_path: Path) -> None:
    path = make_gguf(tmp_path / "models" / "one.gguf")
    expected = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()

    async def first() -> None:
        async with Fixture(tmp_path) as fixture:
            await until(lambda: fixture.library.models["one"].digest == expected)

    async def second() -> None:
        async with Fixture(tmp_path) as fixture:
            assert fixture.library.models["one"].digest == expected

    async def third() -> None:
        make_gguf(path, KEYS | {"general.license": "apache-2.0"})
        async with Fixture(tmp_path) as fixture:
            assert fixture.library.models["one"].license == "apache-2.0"
            assert fixture.library.models["one"].digest != expected

    asyncio.run(first())
    asyncio.run(second())
    asyncio.run(third())


def test_a_damaged_cache_is_ignored(tmp_path: Path) -> None:
    make_gguf(tmp_path / "models" / "one.gguf")
    (tmp_path / "library.json").write_text("{]")

    async def run() -> None:
        async with Fixture(tmp_path) as fixture:
            assert "one" in fixture.library.models

    asyncio.run(run())


def test_unknown_names_get_a_hint(tmp_path: Path) -> None:
    async def run() -> None:
        async with Fixture(tmp_path) as fixture:
            with pytest.raises(ModelNotFound, match="The library is empty"):
                fixture.library.get("smollm2")
            make_gguf(fixture.root / "smollm2.gguf")
            await fixture.library.rescan()
            with pytest.raises(ModelNotFound, match=r"Did you mean smollm2\?"):
                fixture.library.get("smolm2")
            with pytest.raises(ModelNotFound, match="There are: smollm2"):
                fixture.library.get("qwen")

    asyncio.run(run())


def test_remove(tmp_path: Path) -> None:
    async def run() -> None:
        async with Fixture(tmp_path) as fixture:
            for no in (1, 2):
                make_gguf(fixture.root / f"big-{no:05}-of-00002.gguf")
            folder = make_folder(fixture.root / "folder")
            outside = make_gguf(tmp_path / "outside.gguf")
            (fixture.root / "link.gguf").symlink_to(outside)
            await fixture.library.rescan()
            assert set(fixture.library.models) == {"big", "folder", "link"}
            for id in ("big", "folder", "link"):
                await fixture.library.remove(id)
            assert not fixture.library.models and not folder.exists() and outside.exists()
            assert not list(fixture.root.iterdir())
            with pytest.raises(ModelNotFound):
                await fixture.library.remove("big")

    asyncio.run(run())


def test_a_broken_model_can_be_removed(tmp_path: Path) -> None:
    async def run() -> None:
        part = age(make_gguf(tmp_path / "models" / "big-00001-of-00002.gguf"))
        async with Fixture(tmp_path) as fixture:
            assert "incomplete" in fixture.library.broken["big"]
            await fixture.library.remove("big")
            assert not fixture.library.broken and not part.exists()

    asyncio.run(run())


def test_the_folder_itself_may_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bago_jupyter.engines.watch.LOOK", 100)

    async def run() -> None:
        async with Fixture(tmp_path) as fixture:
            make_gguf(fixture.root / "one.gguf")
            await until(lambda: "one" in fixture.library.models)
            fixture.root.rename(tmp_path / "away")
            await until(lambda: not fixture.library.models)
            await until(fixture.root.is_dir)
            make_gguf(fixture.root / "two.gguf")
            await until(lambda: set(fixture.library.models) == {"two"})

    asyncio.run(run())
