"""Optional fields of any type, in every event and answer that is translated: what was said is delivered."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from backends.translate.telling import (
    decode,
    encode,
    messages_events,
    payloads,
    retell,
    start,
    stop,
    text_block,
)
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.backends.translate.chat_answer import ChatStream, chat_answer
from bago_jupyter.backends.translate.messages_answer import MessagesStream, messages_answer
from bago_jupyter.errors import UpstreamFailed

Path = tuple[str | int, ...]
GONE = object()
"""Takes a field out."""
ODD = [
    None,
    GONE,
    True,
    False,
    -1.5,
    10**30,
    1e308,
    "n/a",
    "",
    [],
    {},
    [None],
    [{"type": "text"}],
    {"a": {"b": [1]}},
    "\ud800",
]
QUIET = [None, GONE, False, "", [], {}]
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None, "stop_reason": None}
    extra = {"usage": None, "error": None, "system_fingerprint": "f", "created": 1}
    return {"id": "chatcmpl-1", "model": "m", "object": "x", "choices": [choice]} | extra


def padded(text: str | None) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": text,
        "reasoning_content": None,
        "refusal": None,
        "tool_calls": None,
    }


CHUNKS = [chunk(padded("")), chunk(padded("one ")), chunk(padded("two")), chunk({}, "stop")]
CHUNKS.append({"id": "chatcmpl-1", "choices": [], "usage": USAGE})
COMPLETION = {
    "id": "chatcmpl-1",
    "choices": [{"index": 0, "message": padded("one two"), "finish_reason": "stop"}],
    "usage": USAGE,
    "error": None,
}
EVENTS = [start(cache_read_input_tokens=3), *text_block(0, "one ", "two"), *stop("end_turn")]
MESSAGE = start()["message"] | {"content": [{"type": "text", "text": "one two"}], "error": None}


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*at, name)
        yield from paths(inner, (*at, name))


def needed(base: Any, path: Path) -> bool:
    """Whether the text hangs on the field: it, what it stands in, and what says that it is there."""
    value = base
    for name in path:
        value = value[name]
    name = path[-1]
    spoken = {"one ", "two", "one two"}
    if isinstance(name, int) or name in ("tool_calls", "refusal", "reasoning_content", "thinking"):
        return True  # of another type these may say something
    if name == "type" and len(path) == 2:
        return True
    return bool(spoken & set(map(str, texts(value))))


def texts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)
    else:
        yield value


def changed(base: Any, changes: dict[Path, Any]) -> Any:
    made = copy.deepcopy(base)
    for path, odd in sorted(changes.items(), key=lambda item: -len(item[0])):
        inner = made
        for name in path[:-1]:
            inner = inner[name]
        if odd is GONE and isinstance(inner, dict):
            del inner[path[-1]]
        else:
            inner[path[-1]] = None if odd is GONE else odd
    return made


def odd_for(path: Path) -> st.SearchStrategy[Any]:
    """Other values for the field at ``path`` that ask for nothing else: an error is one, a text is said, and
    another choice is left out."""
    return st.sampled_from(QUIET if path[-1] in ("error", "content", "text", "index") else ODD)


@st.composite
def odd(draw: st.DrawFn, base: Any, *, anything: bool = False) -> Any:
    """``base`` with some of its fields of other types; ``anything`` also spares what is needed."""
    open_paths = [path for path in paths(base) if anything or not needed(base, path)]
    chosen = draw(st.lists(st.sampled_from(open_paths), max_size=6, unique=True))
    tops = [
        path for path in chosen if not any(path[: len(other)] == other for other in chosen if other != path)
    ]
    return changed(base, {path: draw(st.sampled_from(ODD) if anything else odd_for(path)) for path in tops})


def as_json(value: Any) -> bytes:
    try:
        return encode(value)
    except (OverflowError, UnicodeEncodeError):
        return json.dumps(value).encode()


def chat_stream(events: list[Any]) -> bytes:
    return b"".join(b"data: " + as_json(event) + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def named_stream(events: list[Any]) -> bytes:
    return b"".join(b"data: " + as_json(event) + b"\n\n" for event in events)


@given(odd(CHUNKS))
def test_chunks_of_a_completion(events: list[Any]) -> None:
    stream = MessagesStream()
    told = payloads(retell(stream, [chat_stream(events)]))
    assert stream.failure is None
    said = [event["delta"].get("text", "") for event in told if event["type"] == "content_block_delta"]
    assert "".join(said) == "one two"
    assert told[-1] == {"type": "message_stop"}


@given(odd(EVENTS))
def test_events_of_a_message(events: list[Any]) -> None:
    stream = ChatStream(1, include_usage=True)
    told = payloads(retell(stream, [named_stream(events)]))
    assert stream.failure is None and told.pop() == "[DONE]"
    said = [choice["delta"].get("content") or "" for event in told for choice in event["choices"]]
    assert "".join(said) == "one two"


@given(odd(COMPLETION))
def test_a_whole_completion(body: Any) -> None:
    content = decode(messages_answer(as_json(body)))["content"]
    assert "".join(block["text"] for block in content if block["type"] == "text") == "one two"


@given(odd(MESSAGE))
def test_a_whole_message(body: Any) -> None:
    told = decode(chat_answer(as_json(body), 1))
    assert told["choices"][0]["message"]["content"] == "one two"


CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "w", "arguments": '{"a":1}'}}
CALLS = [*CHUNKS[:2], chunk(padded(None) | {"tool_calls": [CALL]}), *CHUNKS[2:]]
TOOL = {"type": "tool_use", "id": "c", "name": "w", "input": {"a": 1}}
TOOLS = [*EVENTS[:1], {"type": "content_block_start", "index": 0, "content_block": TOOL}, *EVENTS[1:]]


@given(st.data())
@pytest.mark.parametrize(
    ("make", "base"),
    [(MessagesStream, CALLS), (lambda: ChatStream(1), TOOLS)],
    ids=["chat", "messages"],
)
def test_whatever_a_stream_holds_it_ends_or_fails(
    make: Callable[[], Any], base: list[Any], data: st.DataObject
) -> None:
    stream = make()
    out = retell(stream, [named_stream(data.draw(odd(base, anything=True))), b"data: [DONE]\n\n"])
    out.decode()
    assert stream.failure is None or isinstance(stream.failure, UpstreamFailed)
    for told in payloads(out):
        assert told == "[DONE]" or isinstance(told, dict)


@given(st.data())
@pytest.mark.parametrize(
    ("read", "base"),
    [
        (messages_answer, COMPLETION | {"choices": [{"message": padded("one") | {"tool_calls": [CALL]}}]}),
        (lambda body: chat_answer(body, 1), MESSAGE | {"content": [TOOL]}),
    ],
    ids=["chat", "messages"],
)
def test_whatever_a_whole_answer_holds_it_is_told_or_fails(
    read: Callable[[bytes], bytes], base: Any, data: st.DataObject
) -> None:
    try:
        told = read(as_json(data.draw(odd(base, anything=True))))
    except (UpstreamFailed, msgspec.DecodeError):
        return
    assert isinstance(decode(told), dict)


def test_events_named_by_their_field_alone() -> None:
    bare = [{name: value for name, value in event.items() if name != "type"} for event in EVENTS]
    data = b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), encode(rest))
        for event, rest in zip(EVENTS, bare, strict=True)
    )
    assert retell(ChatStream(1), [data]) == retell(ChatStream(1), [messages_events(*EVENTS)])
