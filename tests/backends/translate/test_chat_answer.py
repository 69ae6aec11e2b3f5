from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from backends.translate.telling import (
    block,
    decode,
    encode,
    messages_events,
    payloads,
    retell,
    start,
    stop,
    text_block,
    tool_block,
)
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.backends.translate.chat_answer import ChatStream, chat_answer
from bago_jupyter.backends.translate.failures import BackendError
from bago_jupyter.backends.usage import Usage
from bago_jupyter.errors import UpstreamFailed

THINKING = block(
    0,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "Hm"},
    {"type": "signature_delta", "signature": "s"},
)
STREAM = messages_events(
    start(cache_read_input_tokens=3),
    {"type": "ping"},
    *THINKING,
    *text_block(1, "Hel", "lo ", "wörld 🌍"),
    *tool_block(2, "toolu_1", "weather", '{"city"', ':"Ulm"}'),
    *tool_block(3, "toolu_2", "now"),
    *stop("tool_use", output_tokens=12),
)


def answer(**fields: Any) -> Any:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    ended = {"stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 2}}
    return decode(chat_answer(encode(message | ended | fields), 99))


def test_a_whole_answer() -> None:
    text = {"type": "text", "text": "Hello"}
    out = answer(content=[text])
    assert out == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 99,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 2,
            "total_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        },
    }


def test_thinking_and_calls_of_a_whole_answer() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Ulm"}},
        {"type": "redacted_thinking", "data": "x"},
    ]
    (choice,) = answer(content=blocks, stop_reason="tool_use")["choices"]
    call = {"id": "t", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}}
    assert choice["finish_reason"] == "tool_calls" and choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "reasoning_content": "Hm",
        "tool_calls": [call],
    }


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
        (None, "stop"),
    ],
)
def test_reasons(stop_reason: Any, finish: str) -> None:
    assert answer(stop_reason=stop_reason)["choices"][0]["finish_reason"] == finish
    if stop_reason is not None:
        out = payloads(retell(ChatStream(1), [messages_events(start(), *stop(stop_reason))]))
        assert out[-2]["choices"][0]["finish_reason"] == finish


def test_cached_tokens_count_into_the_prompt() -> None:
    counts = {"input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    usage = answer(usage=counts | {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 4}})[
        "usage"
    ]
    assert usage == {
        "prompt_tokens": 127,
        "completion_tokens": 5,
        "total_tokens": 132,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }


def test_what_is_no_answer() -> None:
    with pytest.raises(UpstreamFailed, match="no Anthropic message"):
        chat_answer(b'{"choices":[]}', 1)
    with pytest.raises(BackendError, match="busy") as caught:
        chat_answer(b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}', 1)
    assert caught.value.status == 503
    with pytest.raises(msgspec.DecodeError):
        chat_answer(b"<html>", 1)


def test_a_stream() -> None:
    out = retell(ChatStream(99), [STREAM])
    told = payloads(out)
    assert told.pop() == "[DONE]" and out.count(b": ping\n\n") == 1
    assert all(
        chunk["id"] == "chatcmpl-1"
        and chunk["object"] == "chat.completion.chunk"
        and chunk["created"] == 99
        and chunk["model"] == "m"
        for chunk in told
    )
    last = told.pop()
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "tool_calls"}]
    assert last["usage"]["prompt_tokens"] == 10 and last["usage"]["completion_tokens"] == 12
    assert not any("usage" in chunk for chunk in told)
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in told)
    first = {"type": "function", "function": {"name": "weather", "arguments": ""}}
    second = {"type": "function", "function": {"name": "now", "arguments": ""}}
    assert [chunk["choices"][0]["delta"] for chunk in told] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm"},
        {"content": "Hel"},
        {"content": "lo "},
        {"content": "wörld 🌍"},
        {"tool_calls": [{"index": 0, "id": "toolu_1"} | first]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ':"Ulm"}'}}]},
        {"tool_calls": [{"index": 1, "id": "toolu_2"} | second]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]


def test_the_usage_comes_alone_where_it_was_asked_for() -> None:
    told = payloads(retell(ChatStream(1, include_usage=True), [STREAM]))
    assert told[-1] == "[DONE]" and told[-2]["choices"] == [] and told[-2]["usage"]["total_tokens"] == 22
    assert told[-3]["choices"][0]["finish_reason"] == "tool_calls" and "usage" not in told[-3]


@pytest.mark.parametrize("include_usage", [False, True])
def test_the_node_reads_the_tokens_and_the_end(include_usage: bool) -> None:
    usage = Usage(True)
    usage.feed(retell(ChatStream(1, include_usage=include_usage), [STREAM]))
    assert usage.tokens() == (10, 12) and usage.ended


def test_arguments_that_come_at_once_with_their_block() -> None:
    begun = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    told = payloads(retell(ChatStream(1), [messages_events(start(), *block(0, begun), *stop("tool_use"))]))
    assert told[2]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'


def test_signs_of_life_wait_for_the_answer() -> None:
    stream = ChatStream(1)
    assert stream.feed(b": hello\n\n" + messages_events({"type": "ping"})) == b""
    assert b"assistant" in stream.feed(messages_events(start()))
    assert stream.feed(messages_events({"type": "ping"})) == b": ping\n\n"


def test_an_error_in_the_middle_is_a_failure() -> None:
    stream = ChatStream(1)
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    out = stream.feed(messages_events(start(), error, *text_block(0, "late")))
    assert len(payloads(out)) == 1 and isinstance(stream.failure, BackendError)
    assert (stream.failure.message, stream.failure.status) == ("Overloaded", 503)
    assert stream.feed(STREAM) == stream.end() == b""


@pytest.mark.parametrize(
    "broken",
    [
        messages_events(start(), *text_block(0, "Hi")),
        messages_events(*text_block(0, "Hi")),
        messages_events(start()) + b"data: {nonsense\n\n",
        messages_events(start()) + b'data: {"type": "\xff"}\n\n',
        b"",
    ],
)
def test_a_stream_that_is_not_whole_is_a_failure(broken: bytes) -> None:
    stream = ChatStream(1)
    assert b"[DONE]" not in retell(stream, [broken]) and isinstance(stream.failure, UpstreamFailed)


def test_an_end_without_message_stop_is_one() -> None:
    stream = ChatStream(1)
    out = retell(stream, [messages_events(start(), *text_block(0, "Hi"), stop("end_turn")[0])])
    assert out.endswith(b"data: [DONE]\n\n") and stream.failure is None


@given(st.lists(st.integers(0, len(STREAM))), st.booleans())
def test_a_stream_cut_anywhere_says_the_same(cuts: list[int], crlf: bool) -> None:
    data = STREAM.replace(b"\n", b"\r\n") if crlf else STREAM
    points = [0, *sorted(cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(points)]
    assert retell(ChatStream(1), pieces) == retell(ChatStream(1), [STREAM])
