"""Cutting lines of which the last counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.errors import UpstreamFailed
from bago_jupyter.mesh.latest import Latest


@given(st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"x", b"\n")), max_size=12))
def test_the_last_whole_line_of_each_piece(pieces: list[bytes]) -> None:
    latest = Latest(1000)
    whole = b""
    for piece in pieces:
        begun = whole.rpartition(b"\n")[2]
        whole += piece
        ended = (begun + piece).split(b"\n")[:-1]
        assert latest.feed(piece) == next((line for line in reversed(ended) if line), b"")


def test_a_line_has_an_end() -> None:
    latest = Latest(10)
    assert latest.feed(b"x" * 10) == b""
    with pytest.raises(UpstreamFailed):
        latest.feed(b"x")
    with pytest.raises(UpstreamFailed):
        Latest(10).feed(b"x" * 11 + b"\n")
