from __future__ import annotations

from pathlib import Path

import pytest
from engines.making import make_folder, make_gguf
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.engines.sources import (
    FromHub,
    FromPath,
    FromStarter,
    FromUrl,
    checked_id,
    mark,
    resolve,
)
from bago_jupyter.errors import InvalidRequest


def test_starters() -> None:
    source, id = resolve("smollm2")
    assert isinstance(source, FromStarter) and id == "smollm2"


@pytest.mark.parametrize(
    ("url", "id", "count"),
    [
        ("https://host/a/Model%20X.Q4.gguf?token=1", "Model-X.Q4", 1),
        ("http://host/big-00002-of-00003.gguf?t=1", "big", 3),
    ],
)
def test_urls(url: str, id: str, count: int) -> None:
    source, default = resolve(url)
    assert isinstance(source, FromUrl) and default == id and len(source.urls) == count
    if count > 1:
        assert source.urls[0] == "http://host/big-00001-of-00003.gguf?t=1"


def test_hub() -> None:
    source, id = resolve("hf:org/repo@v1/sub/m-Q4.gguf")
    assert source == FromHub("org/repo", "v1", ("sub/m-Q4.gguf",)) and id == "m-Q4"
    for bad in ("hf:org/repo", "hf:", "hf:a/b/../c"):
        with pytest.raises(InvalidRequest, match="hf:"):
            resolve(bad)


def test_paths(tmp_path: Path) -> None:
    path = make_gguf(tmp_path / "My model.gguf")
    assert resolve(str(path)) == (FromPath(path, (path,)), "My-model")
    assert resolve(path.as_uri())[1] == "My-model"
    folder = make_folder(tmp_path / "mlx")
    assert resolve(str(folder)) == (FromPath(folder, ()), "mlx")
    with pytest.raises(InvalidRequest, match="holds no model"):
        resolve(str(tmp_path))
    with pytest.raises(InvalidRequest, match="There is no file"):
        resolve(str(tmp_path / "none.gguf"))


def test_what_is_possible_is_said() -> None:
    with pytest.raises(InvalidRequest, match=r"Did you mean smollm2\?"):
        resolve("smolm2")
    with pytest.raises(InvalidRequest, match=r"a path, a URL, or hf:"):
        resolve("llama")
    for nothing in ("", "a\0b"):
        with pytest.raises(InvalidRequest, match="Name what to pull"):
            resolve(nothing)
    with pytest.raises(InvalidRequest, match="names no file"):
        resolve("https://host/")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "/x", "a/../b", "a/b/c", "a//b", "a\0", "a\\b", ".hidden", "x.partial", "a b"],
)
def test_unsafe_names(name: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be the name"):
        checked_id(name)


@given(st.text())
def test_an_accepted_name_stays_below(name: str) -> None:
    try:
        id = checked_id(name)
    except InvalidRequest:
        return
    path = Path("/models", f"{id}.gguf").resolve()
    assert path.is_relative_to("/models") and len(path.relative_to("/models").parts) <= 2


def test_marks(tmp_path: Path) -> None:
    path = make_gguf(tmp_path / "m.gguf")
    source = resolve(str(path))[0]
    before = mark(str(path), source)
    assert mark("another way to write it", source) == before
    make_gguf(path, elements=128)
    assert mark(str(path), source) != before
    assert mark("https://a/x", FromUrl(("https://a/x",))) != mark("https://b/x", FromUrl(("https://b/x",)))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("http://[::1/x", "no URL"),
        ("http://[::1/x.gguf", "no URL"),
        ("https://host:99999/x.gguf", "no URL"),
        ("http://host:port/x.gguf", "no URL"),
        ("file://[::1/x.gguf", "no URL"),
        ("~nosuchuser/x.gguf", "no user ~nosuchuser"),
    ],
)
def test_what_cannot_be_read_is_told(source: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as caught:
        resolve(source)
    assert caught.value.param == "source"
