"""What a reply makes of bytes that nobody expects."""

from __future__ import annotations

import copy
import json
import unicodedata
from collections import deque
from collections.abc import Iterable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapes.shape import DONE, END, chunk, completion, event, says

from bago_jupyter.client import Reply
from bago_jupyter.errors import BagoError


def read(*pieces: bytes) -> tuple[str, Reply]:
    reply = Reply(httpx.Headers())
    got = "".join(new for piece in pieces for new in reply.read(piece)) + "".join(reply.end())
    assert reply.text == got
    return got, reply


def events(*told: Any) -> bytes:
    return b"".join(event(it) for it in told)


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"choices":[{"delta":{"content":"a\x0bb\x0cc\x1cd"}}]}\n\n',  # not JSON, strictly
        events("ping", "[ok]".strip("[]"), "null", "3", chunk({"content": "a\x0bb\x0cc\x1cd"})),
        events({"choices": [{"index": 0, "text": "a\x0bb\x0cc\x1cd"}]}),
        events(chunk({"content": "a\x0bb\x0cc\x1cd"})).replace(b"\n\n", b"\n") + events(DONE),
        events(*says("a\x0bb\x0cc\x1cd"), {"choices": [{"message": {"content": "a\x0bb\x0cc\x1cd"}}]}),
        events(chunk({"content": "a\x0bb\x0cc\x1cd"}, logprobs="[" * 900)),
        events(chunk({"content": "a\x0bb\x0cc\x1cd"}), DONE, {"error": {"message": "late"}}),
    ],
)
def test_text_is_delivered(body: bytes) -> None:
    assert read(body)[0] == "a\x0bb\x0cc\x1cd"


def test_what_is_no_utf_8_and_no_number_of_ours_costs_nothing_else() -> None:
    said = b'data: {"n":' + b"9" * 5000 + b',"choices":[{"delta":{"content":"a\xffb"}}]}\n\n'
    assert read(said)[0] == "a\ufffdb"


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["\\ud83d", "\\ude00!"], "😀!"),
        (["\\ud83d", "", "\\ude00"], "😀"),
        (["\\ud83d", "x"], "\ufffdx"),
        (["\\ude00"], "\ufffd"),
        (["a\\ud83d"], "a\ufffd"),
    ],
)
def test_halves_of_characters_are_put_together(pieces: list[str], text: str) -> None:
    told = [b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % piece.encode() for piece in pieces]
    assert read(*told)[0] == read(b"".join(told))[0] == text


def test_the_text_before_an_error_in_one_piece_is_delivered() -> None:
    reply, got = Reply(httpx.Headers({"x-request-id": "r1"})), deque[str]()
    got.extend(reply.read(events(chunk({"content": "one"}, error="GPU \x1b[31mfell\n over"))))
    with pytest.raises(BagoError, match="GPU") as caught:
        got.extend(reply.end())
    assert [*got] == ["one"] and reply.text == "one"
    assert caught.value.message == "GPU [31mfell over"
    assert caught.value.request == "r1"


@pytest.mark.parametrize(
    "usage", [None, 3, "x", [], {}, {"completion_tokens": None}, {"completion_tokens": "x"}]
)
def test_usage_that_tells_nothing(usage: Any) -> None:
    _, reply = read(events(*says("one"), chunk(choices=[], usage=usage, timings=usage)))
    assert reply.tokens is None and reply.speed is None


@pytest.mark.parametrize(
    "number", [0, 7, 7.0, "7", "7.0", -1, 1e300, 10**400, True, "9" * 500, "nan", "inf", [7]]
)
def test_numbers_that_cannot_be_are_none(number: Any) -> None:
    told = {"completion_tokens": number, "predicted_per_second": number}
    _, reply = read(events(*says("one"), chunk(choices=[], usage=told, timings=told)))
    assert reply.tokens == (
        int(float(number)) if number in (0, 7, "7", "7.0") and number is not True else None
    )
    assert reply.speed is None or 0 <= reply.speed <= 10**9


MISSING = object()
ODD = st.sampled_from(
    [MISSING, None, 0, 7, -1, 1.5, 1e300, True, False, "", "word", [], ["x"], [None], {}, {"x": 1}]
)
NOTHING = st.sampled_from([MISSING, None, False, "", [], {}])
"""What is neither a text nor an error."""
CONTENT = st.sampled_from(
    [
        lambda text: text,
        lambda text: [{"type": "text", "text": text}],
        lambda text: [text[:2], {"type": "output_text", "text": text[2:]}],
        lambda text: {"type": "text", "text": text, "annotations": None},
    ]
)


def first() -> dict[str, Any]:
    delta = {"role": "assistant", "content": "", "reasoning": "hm", "tool_calls": [], "function_call": None}
    return chunk(delta, None, usage=None, system_fingerprint="fp", service_tier=None, error=None)


def last() -> dict[str, Any]:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
    return chunk(choices=[], usage=usage, timings={"predicted_per_second": 3.5}, error=None)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    for key, held in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(held, dict | list):
            yield from paths(held, (*path, key))


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    made = here = copy.deepcopy(value)
    for key in path[:-1]:
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            return made  # another change took it away
    if isinstance(here, dict):
        here.pop(path[-1], None) if to is MISSING else here.__setitem__(path[-1], to)
    return made


@st.composite
def mutated(draw: st.DrawFn, told: dict[str, Any], kept: set[tuple[Any, ...]]) -> dict[str, Any]:
    """``told`` with some fields of other types, but those at the paths ``kept``."""
    optional = [path for path in paths(told) if path not in kept and not isinstance(path[-1], int)]
    for path in draw(st.lists(st.sampled_from(optional), max_size=6)):
        told = changed(told, path, draw(NOTHING if path[-1] in ("error", "content") else ODD))
    return told


WAY = [("choices",), ("choices", 0, "delta"), ("choices", 0, "message")]


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, str]:
    """The bytes of a stream whose optional fields are of any type, and its text."""
    told, text = [draw(mutated(first(), set()))], draw(st.lists(st.text(min_size=1), min_size=1, max_size=3))
    for piece in text:
        said = chunk(
            {"role": "assistant", "content": draw(CONTENT)(piece), "reasoning_content": None}, logprobs=None
        )
        told.append(draw(mutated(said, {*WAY, *(p for p in paths(said) if "content" in p)})))
    told += [draw(mutated(END, set())), draw(mutated(last(), set()))]
    ends = draw(st.sampled_from(["\n", "\r", "\r\n"]))
    field = draw(st.sampled_from(["data: ", "data:", "event: x\ndata: ", "id: 1\ndata:"])).replace("\n", ends)
    done = [event(DONE, ends, field)] if draw(st.booleans()) else []
    lines = [event(json.dumps(it, ensure_ascii=draw(st.booleans())), ends, field) for it in told]
    return b"".join([*lines, *done]), "".join(text)


@given(streams(), st.integers(1, 40))
def test_text_is_delivered_whatever_the_other_fields_hold(sent: tuple[bytes, str], size: int) -> None:
    body, text = sent
    assert read(*(body[at : at + size] for at in range(0, len(body), size)))[0] == text
    assert read(body)[0] == text


@given(st.data(), st.text(min_size=1), CONTENT)
def test_a_whole_answer_is_delivered_whatever_the_other_fields_hold(
    data: st.DataObject, text: str, form: Any
) -> None:
    said = completion(
        {"role": "assistant", "content": form(text), "reasoning": "hm", "tool_calls": None}, error=None
    )
    told = data.draw(mutated(said, {*WAY, *(p for p in paths(said) if "content" in p)}))
    assert read(json.dumps(told).encode())[0] == text


BITS = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"\n",
        b"\n\n",
        b"\r",
        b"{",
        b"}",
        b'{"choices":',
        b'[{"delta":{"content":"x"}}]',
        b"null",
        b'"error":',
        b"[DONE]",
        b"<html>",
        b"\xef\xbb\xbf",
        b"\xff",
        b'"',
        b",",
        b"[" * 2000,
        b": c",
        b'{"error":[{}]}',
    ]
)


@given(st.lists(st.one_of(BITS, st.binary(max_size=6))))
def test_any_bytes_are_an_answer_or_one_sentence(pieces: list[bytes]) -> None:
    said = ""
    try:
        read(*pieces)
    except BagoError as error:
        said = error.message
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in said)
