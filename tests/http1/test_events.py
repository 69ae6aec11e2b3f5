"""Only whole events leave, whatever the pieces in which they come."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.http1 import WholeEvents


@given(
    st.lists(
        st.sampled_from([b"data: 1", b"event: x\ndata: {}", b": comment", b"data: \xc3\xa9"]), max_size=6
    ),
    st.sampled_from([b"\n\n", b"\r\n\r\n"]),
    st.lists(st.integers(0, 120), max_size=8),
    st.binary(max_size=8).filter(lambda tail: b"\n" not in tail),
)
def test_pieces_of_any_size(events: list[bytes], end: bytes, cuts: list[int], tail: bytes) -> None:
    whole = b"".join(event + end for event in events)
    stream = whole + tail
    points = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    hold, out = WholeEvents(), b""
    for start, stop in pairwise(points):
        ready = hold.feed(stream[start:stop])
        assert ready == b"" or ready.endswith((b"\n\n", b"\n\r\n"))
        out += ready
    assert out == whole
    assert hold.rest() == tail


def test_whole_events_are_not_copied() -> None:
    chunk = b"data: 1\n\n"
    assert WholeEvents().feed(chunk) is chunk


@pytest.mark.parametrize("size", [2 << 20])
def test_an_endless_event_does_not_grow_without_bound(size: int) -> None:
    hold = WholeEvents()
    passed = b"".join(hold.feed(b"x" * 65536) for _ in range(size // 65536))
    assert len(passed) + len(hold.rest()) == size
    assert passed
