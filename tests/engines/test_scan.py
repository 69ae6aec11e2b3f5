"""What may lie in the folder of models: each is used, or said to be unusable, and none ends the scan."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from engines.making import KEYS, gguf_bytes, make_folder, make_gguf, until

from bago_jupyter.engines.library import Library
from bago_jupyter.engines.modelfile import ModelFile, read_model
from bago_jupyter.engines.names import LONGEST
from bago_jupyter.engines.scan import scan
from bago_jupyter.errors import ModelFileError

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="odd names and files need a POSIX file system"
)


def listed(folder: Path) -> tuple[dict[str, str], list[str]]:
    """What a library says of ``folder``: sentences by id of what is broken, and the models."""

    async def run() -> tuple[dict[str, str], list[str]]:
        library = Library(folder, folder.parent / "library.json", lambda: None)
        try:
            await library.start()
            await until(lambda: all(model.digest for model in library.models.values()))
            msgspec.json.encode([dict(library.broken), dict(library.models)], enc_hook=str)
            return dict(library.broken), sorted(library.models)
        finally:
            await library.stop()

    return asyncio.run(run())


def old(path: Path) -> Path:
    os.utime(path, (1_700_000_000, 1_700_000_000), follow_symlinks=False)
    return path


def named(name: bytes) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        path = os.fsencode(folder) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(gguf_bytes())

    return make


def listening(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.getcwd()
        os.chdir(folder)
        try:
            sock.bind("x.gguf")
        finally:
            os.chdir(here)


def hub(folder: Path) -> None:
    cache = folder.parent / "hub"
    snapshot = cache / "models--org--name" / "snapshots" / "abc"
    blob = make_gguf(cache / "models--org--name" / "blobs" / "1234")
    snapshot.mkdir(parents=True)
    (snapshot / "m.gguf").symlink_to(blob)
    (folder / "x").symlink_to(cache)


def looped(folder: Path) -> None:
    (folder / "x.gguf").symlink_to(folder / "y.gguf")
    (folder / "y.gguf").symlink_to(folder / "x.gguf")


ODD: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "not-utf8": (
        named(b"caf\xe9.gguf"),
        "caf\\xe9",
        "caf\\xe9.gguf has a name that is not UTF-8; rename it.",
    ),
    "folder-not-utf8": (named(b"caf\xe9/m.gguf"), "caf\\xe9/m", "has a name that is not UTF-8"),
    "newline": (named(b"a\nb.gguf"), "a\\nb", "a\\nb.gguf has a name with characters that cannot be shown"),
    "escape": (named(b"\x1b[31mred.gguf"), "\\x1b[31mred", "characters that cannot be shown"),
    "surrogate": (named(b"\xed\xa0\x80.gguf"), "\\xed\\xa0\\x80", "not UTF-8"),
    "bidi": (named("a\u202eb.gguf".encode()), "a\\u202eb", "characters that cannot be shown"),
    "long": (
        named("/".join(("f" * 200, "g" * 200, "h" * 200)).encode() + b".gguf"),
        "/".join(("f" * 200, "g" * 200, "h" * 200))[:200],
        f"at most {LONGEST} are possible",
    ),
    "pipe": (lambda folder: os.mkfifo(folder / "x.gguf"), "x", "x.gguf is no file but a pipe"),
    "socket": (listening, "x", "a socket or a device"),
    "folder": (lambda folder: (folder / "x.gguf").mkdir(), "x.gguf", "is a folder, and holds no model"),
    "dangling": (lambda folder: (folder / "x.gguf").symlink_to("/no/where"), "x", "leads nowhere"),
    "dangling-folder": (lambda folder: (folder / "x").symlink_to("/no/where"), "x", "leads nowhere"),
    "looping": (looped, "x", "cannot be read: Too many levels of symbolic links"),
    "circle": (lambda folder: (folder / "x").symlink_to(folder), "x", "a folder that it lies in"),
    "hub": (hub, "x", "cache of Hugging Face"),
    "deep": (lambda folder: make_gguf(folder / "x/b/c/d/m.gguf"), "x/b/c/d", "more than 3 folders deep"),
    "part-missing": (
        lambda folder: old(make_gguf(folder / "x-00002-of-00002.gguf")),
        "x",
        "x-00001-of-00002.gguf is missing",
    ),
    "two-names": (lambda folder: make_gguf(folder / "good.GGUF"), "good'", "is hidden by"),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_things_are_listed_and_cost_the_rest_nothing(tmp_path: Path, odd: str) -> None:
    make, id, says = ODD[odd]
    folder = tmp_path / "models"
    make_gguf(folder / "good.gguf")
    make(folder)
    broken, models = listed(folder)
    assert models == ["good"] and says in broken[id], broken
    assert all(sentence.isprintable() and sentence.endswith(".") for sentence in broken.values())


def test_a_pipe_among_weights_is_not_opened(tmp_path: Path) -> None:
    make_folder(tmp_path / "models" / "m")
    os.mkfifo(tmp_path / "models" / "m" / "more.safetensors")
    assert listed(tmp_path / "models") == ({}, ["m"])


def test_a_file_is_not_hidden_by_a_folder_of_its_name(tmp_path: Path) -> None:
    make_gguf(tmp_path / "m.gguf")
    make_folder(tmp_path / "m")
    found = scan(tmp_path)
    assert {id: item.path.name for id, item in found.items()} == {"m": "m.gguf", "m.safetensors": "m"}


def test_homes_and_files_with_spaces_and_accents(tmp_path: Path) -> None:
    folder = tmp_path / "mon café é" / "models"
    make_gguf(folder / "le modèle.gguf")
    make_gguf(folder / "日本 語" / "モデル.gguf")
    assert listed(folder) == ({}, ["le modèle", "日本 語/モデル"])


def test_a_folder_that_cannot_be_listed_says_nothing_of_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_gguf(tmp_path / "m.gguf")

    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        scan(tmp_path)
    assert scan(tmp_path / "none") == {}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become somebody else")
def test_folders_and_files_of_others() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        make_gguf(folder / "good.gguf")
        make_gguf(folder / "shut.gguf").chmod(0)
        make_gguf(folder / "locked" / "m.gguf").parent.chmod(0)
        os.seteuid(65534)
        try:
            found = scan(folder)
            assert found["locked"].fault == "locked cannot be read: Permission denied."
            with pytest.raises(ModelFileError, match=r"shut\.gguf cannot be read: Permission denied\."):
                read_model(found["shut"].path, "shut")
            assert read_model(found["good"].path, "good").id == "good"
        finally:
            os.seteuid(0)


def zeroed(folder: Path, kept: float) -> Path:
    """A model of 4 MiB of which all but the first part is zeros."""
    data = gguf_bytes(elements=1 << 22)
    size = len(gguf_bytes(elements=0))
    length = len(data) - size
    path = folder / "z.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[: size + int(length * kept)] + bytes(length - int(length * kept)))
    return old(path)


def test_zeros_are_no_weights(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    zeroed(folder, 0)
    assert "nothing but zeros" in listed(folder)[0]["z"]
    zeroed(folder, 0.8)
    assert "its download did not finish" in listed(folder)[0]["z"]
    zeroed(folder, 0.95)
    assert listed(folder) == ({}, ["z"])


def test_a_broken_file_from_the_future_is_named_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bago_jupyter.engines.library.SETTLE", 0.2)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bad.gguf").write_bytes(b"no model")
    os.utime(tmp_path / "models" / "bad.gguf", (4_000_000_000, 4_000_000_000))

    async def run() -> None:
        library = Library(tmp_path / "models", tmp_path / "library.json", lambda: None)
        await library.start()
        await until(lambda: "bad" in library.broken)
        await library.stop()

    asyncio.run(run())


HUGE = [
    ({"w": {"dtype": "F16", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 12]}}, {}),
    ({"w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}, {"max_position_embeddings": 1 << 70}),
    ({"w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}, {"quantization": {"bits": 1 << 62}}),
    (
        {"w": {"dtype": "\x1b[31m" * 999, "shape": [2, 3], "data_offsets": [0, 12]}},
        {"model_type": "\x1b" * 999},
    ),
]


@pytest.mark.parametrize("case", range(len(HUGE)))
def test_numbers_and_words_of_a_header_can_be_told_to_others(tmp_path: Path, case: int) -> None:
    tensors, config = HUGE[case]
    folder = make_folder(tmp_path / "models" / "m", config)
    header = json.dumps(tensors).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 12)
    for file in folder.iterdir():
        old(file)
    broken, models = listed(tmp_path / "models")
    assert [*broken, *models] == ["m"]


def test_the_words_of_a_gguf_file_are_cleaned(tmp_path: Path) -> None:
    make_gguf(tmp_path / "models" / "m.gguf", KEYS | {"general.license": "\x1b]0;mine\x07" + "x" * 9999})

    async def run() -> None:
        library = Library(tmp_path / "models", tmp_path / "library.json", lambda: None)
        await library.start()
        license = library.models["m"].license
        await library.stop()
        assert license and license.isprintable() and len(license) <= LONGEST

    asyncio.run(run())


def test_what_is_no_model_can_be_removed_but_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    make_gguf(folder / "a" / "b" / "c" / "d" / "m.gguf")
    os.mkfifo(folder / "x.gguf")

    async def run() -> None:
        library = Library(folder, tmp_path / "library.json", lambda: None)
        await library.start()
        try:
            await library.remove("x")
            assert set(library.broken) == {"a/b/c/d"} and not (folder / "x.gguf").exists()
            with pytest.raises(ModelFileError, match="delete it yourself"):
                await library.remove("a/b/c/d")
        finally:
            await library.stop()

    asyncio.run(run())


def test_an_index_of_lists_costs_the_rest_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    make_gguf(folder / "good.gguf")
    (make_folder(folder / "odd") / "model.safetensors.index.json").write_text('{"weight_map":{"a":["x"]}}')
    for path in [*(folder / "odd").iterdir()]:
        old(path)
    broken, models = listed(folder)
    assert models == ["good"] and "is damaged" in broken["odd"]


def test_whatever_one_file_does_to_its_reader_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path, id: str) -> ModelFile:
        if id == "odd":
            raise TypeError("unhashable type: 'list'")
        return read_model(path, id)

    monkeypatch.setattr("bago_jupyter.engines.library.read_model", read)
    make_gguf(tmp_path / "models" / "good.gguf")
    old(make_gguf(tmp_path / "models" / "odd.gguf"))
    broken, models = listed(tmp_path / "models")
    assert models == ["good"]
    assert broken == {"odd": "odd cannot be read: unhashable type: 'list'."}
