"""What a peer says, whatever it is, is read as something that can be shown, or not at all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh.strange import NESTED

from bago_jupyter.errors import UpstreamFailed
from bago_jupyter.mesh.wire import MOST_ENTRIES, Bye, Hello, News, read

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(["\x1b[2J", "a\u202eb", "\u2028", "\ud800", "", "x" * 600]),
    st.lists(st.text(max_size=3), max_size=3),
)
HELLO = {"fingerprint": "fp", "name": "n", "version": "1", "boot": "b", "port": 1, "addresses": []}
ENTRY = {
    "model": "m",
    "tasks": ["generate"],
    "state": "ready",
    "slots": 2,
    "digest": "d",
    "quantization": "q",
}


@st.composite
def news(draw: Any) -> bytes:
    """Sane news in which some fields are odd."""
    hello = {**HELLO, **draw(st.dictionaries(st.sampled_from(sorted(HELLO)), ODD, max_size=2))}
    models = [
        {**ENTRY, **draw(st.dictionaries(st.sampled_from(sorted(ENTRY)), ODD, max_size=2))} for _ in range(2)
    ]
    return json.dumps({"hello": hello, "catalogue": models}, ensure_ascii=draw(st.booleans())).encode(
        "utf-8", "surrogatepass"
    )


@given(news())
def test_odd_news(data: bytes) -> None:
    try:
        said = read(data, News)
    except UpstreamFailed:
        return
    shown = [said.hello.name, said.hello.version, *(word for e in said.catalogue for word in _words(e))]
    assert all(word.isprintable() and word for word in shown[2:])
    assert said.hello.name.isprintable() and said.hello.version.isprintable()
    json.loads(msgspec.json.encode(said))


def test_a_name_that_is_repeated_is_one_offer() -> None:
    many = [{**ENTRY, "slots": number} for number in range(4096)] + [{**ENTRY, "model": "n"}]
    said = read(json.dumps({"hello": HELLO, "catalogue": many[1:]}).encode(), News)
    assert [(entry.model, entry.slots) for entry in said.catalogue] == [("m", 4095), ("n", 2)]


def _words(entry: Any) -> list[str]:
    return [word for word in (entry.model, entry.digest, entry.quantization) if word is not None]


@pytest.mark.parametrize("kind", [Hello, News, Bye])
@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", NESTED, b"[]", b"NaN", b'{"name":1e999}', b'{"kind":"x"}']
)
def test_what_cannot_be_read(kind: Any, data: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        read(data, kind)


def test_of_a_longer_catalogue_the_first_count() -> None:
    models = [{**ENTRY, "model": f"m{number}"} for number in range(MOST_ENTRIES + 5)]
    said = read(json.dumps({"hello": HELLO, "catalogue": models}).encode(), News)
    assert [entry.model for entry in said.catalogue] == [f"m{number}" for number in range(MOST_ENTRIES)]
