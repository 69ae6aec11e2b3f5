"""Links in the folder of models: followed as far as is cheap, and no further."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from engines.making import make_folder, make_gguf, until

from bago_jupyter.engines import scan as scanning
from bago_jupyter.engines.library import Library
from bago_jupyter.engines.scan import folders, scan

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


def test_a_link_to_a_folder_of_models_is_followed(tmp_path: Path) -> None:
    far, models = tmp_path / "far", tmp_path / "models"
    make_gguf(far / "org" / "m.gguf")
    make_folder(far / "st")
    make_gguf(models / "near.gguf")
    (models / "x").symlink_to(far)
    assert sorted(scan(models)) == ["near", "x/org/m", "x/st"]
    assert sorted(folders(models)) == [models, models / "x", models / "x/org", models / "x/st"]


def test_what_is_too_large_behind_a_link_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "LINKED", 30)
    far, models = tmp_path / "far", tmp_path / "models"
    for number in range(10):
        make_gguf(far / f"{number}" / "m.gguf")
    make_gguf(models / "near.gguf")
    (models / "x").symlink_to(far)
    (models / "y").symlink_to(far / "1")
    found = scan(models)
    assert sorted(found) == ["near", "x", "y/m"]
    assert "x is a link to a folder that is too large to be looked through" in (found["x"].fault or "")
    assert sorted(folders(models)) == [models, models / "y"]


def test_a_link_to_everything_holds_nothing_up(tmp_path: Path) -> None:
    models = tmp_path / "models"
    make_gguf(models / "near.gguf")
    (models / "all").symlink_to("/")

    async def run() -> None:
        library = Library(models, tmp_path / "library.json", lambda: None)
        longest, last = 0.0, time.monotonic()

        async def beat() -> None:
            nonlocal longest, last
            while True:
                await asyncio.sleep(0.01)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()

        beating = asyncio.create_task(beat())
        try:
            await library.start()
            assert list(library.models) == ["near"] and "too large" in library.broken["all"]
            # nothing is noticed before the watch is there
            make_gguf(models / "new" / "later.gguf")
            await until(lambda: "new/later" in library.models)
            make_gguf(models / "new" / "last.gguf")
            await until(lambda: "new/last" in library.models)
        finally:
            beating.cancel()
            await library.stop()
        assert longest < 3.0

    asyncio.run(run())
