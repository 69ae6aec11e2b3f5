from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter import sse
from bago_jupyter.sse import Event, Events, TooLong

NO_ENDS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
"""What ends a line for others, and not here."""


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [Event(b"", b"a")]),
        (b"data:a\r\n\r\n", [Event(b"", b"a")]),
        (b"event: x\ndata: a\ndata:  b\n\ndata: c\n\n", [Event(b"x", b"a\n b"), Event(b"", b"c")]),
        (b": hello\n\ndata: a\n\n", [Event(b"", b""), Event(b"", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"", b"a")]),
        (b"event: x\n\nid: 7\nretry: 3\ndata: a\n\n", [Event(b"", b"a")]),
        (b"data: a\r\rdata: b\r\n\rdata: c\n\r\n", [Event(b"", b"a"), Event(b"", b"b"), Event(b"", b"c")]),
        (b"data: a\r\n\r\n\r\n", [Event(b"", b"a")]),
        (
            "data: a\u2028b\u2029\x85\x0b\x0c\x1cc\n\n".encode(),
            [Event(b"", "a\u2028b\u2029\x85\x0b\x0c\x1cc".encode())],
        ),
        (b"data:\n\ndata\n\ndata: \n\n", [Event(b"", b"")] * 3),
        (b"data: a\n", []),
    ],
)
def test_events_are_read_as_the_standard_says(data: bytes, events: list[Event]) -> None:
    assert Events().feed(data) == events
    split = Events()
    assert [event for index in range(len(data)) for event in split.feed(data[index : index + 1])] == events


def test_the_last_event_needs_no_blank_line() -> None:
    events = Events()
    assert events.feed(b"data: a\n\ndata: b") == [Event(b"", b"a")]
    assert events.end() == [Event(b"", b"b")]
    assert events.end() == []
    alone = Events()
    assert alone.feed(b"\xef\xbb\xbfdata: a") == []
    assert alone.end() == [Event(b"", b"a")]


def test_an_event_is_there_as_soon_as_its_last_line_ends() -> None:
    events = Events()
    assert events.feed(b"data: a\r\r") == [Event(b"", b"a")]
    assert events.feed(b"\ndata: b\r\n\r") == [Event(b"", b"b")]
    assert events.feed(b"") == [] and events.feed(b"\n") == [] and events.end() == []


@pytest.mark.parametrize("piece", [b"x" * 10, b"data: x\n"])
def test_an_event_without_end_is_refused(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1000)
    events = Events()
    with pytest.raises(TooLong):
        [events.feed(piece) for _ in range(1000)]
    endless = Events()
    for _ in range(1000):
        assert len(endless.feed(b"data: 12345678\n\n")) == 1


BITS = [
    b"data: a",
    b"data:",
    b"event: x",
    b": c",
    b"\n",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b"\xef\xbb\xbf",
    b"\xff",
]


@given(st.lists(st.lists(st.sampled_from(BITS)).map(b"".join)))
def test_any_bytes_cut_anywhere_give_what_they_give_in_one_piece(pieces: list[bytes]) -> None:
    cut, one = Events(), Events()
    assert [event for piece in pieces for event in cut.feed(piece)] == one.feed(b"".join(pieces))
    assert cut.end() == one.end()
