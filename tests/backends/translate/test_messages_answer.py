from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from backends.translate.telling import chat_events, decode, encode, finish, payloads, retell, usage
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.backends.translate.failures import BackendError
from bago_jupyter.backends.translate.messages_answer import MessagesStream, messages_answer
from bago_jupyter.backends.usage import Usage
from bago_jupyter.errors import UpstreamFailed


def piece(index: int, arguments: str = "", **first: str) -> dict[str, Any]:
    """A delta with one piece of a tool call; ``id`` and ``name`` begin it."""
    function = {"arguments": arguments} | ({"name": first["name"]} if "name" in first else {})
    told: dict[str, Any] = {"index": index, "function": function}
    return {"tool_calls": [told | ({"id": first["id"], "type": "function"} if "id" in first else {})]}


STREAM = chat_events(
    {"role": "assistant", "content": None},
    {"reasoning_content": "H"},
    {"reasoning_content": "m"},
    {"content": "Hel"},
    {"content": "lo wörld 🌍"},
    piece(0, id="c0", name="weather"),
    piece(0, '{"city"'),
    piece(0, ':"Ulm"}'),
    piece(1, "{}", id="c1", name="now"),
    finish("tool_calls"),
    usage(110, 12, cached=100),
)


def answer(message: dict[str, Any], finish_reason: str | None = "stop", **fields: Any) -> Any:
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish_reason}
    stop = fields.pop("stop_reason", None)
    body = {"id": "chatcmpl-1", "model": "m", "choices": [choice | {"stop_reason": stop}]}
    return decode(messages_answer(encode(body | fields)))


def told(*deltas: dict[str, Any]) -> list[Any]:
    return payloads(retell(MessagesStream(), [chat_events(*deltas)]))


def blocks(*deltas: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Each block as it begins, and the text of its deltas; asserts that blocks come one after the other."""
    found: list[tuple[dict[str, Any], str]] = []
    is_open = False
    for event in told(*deltas):
        if event["type"] == "content_block_start":
            assert not is_open and event["index"] == len(found)
            is_open = True
            found.append((event["content_block"], ""))
        elif event["type"] == "content_block_delta":
            assert is_open and event["index"] == len(found) - 1
            delta = event["delta"]
            said = delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
            found[-1] = (found[-1][0], found[-1][1] + said)
        elif event["type"] == "content_block_stop":
            assert is_open and event["index"] == len(found) - 1
            is_open = False
    assert not is_open
    return found


def test_a_whole_answer() -> None:
    counts = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    out = answer({"content": "Hello"}, usage=counts)
    assert out == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 7,
            "output_tokens": 2,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
        },
    }


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_and_calls_of_a_whole_answer(field: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}}
    bare = {"type": "function", "function": {"name": "now", "arguments": ""}}
    out = answer({"content": None, field: "Hm", "tool_calls": [call, bare]}, "tool_calls")
    thinking, weather, now = out["content"]
    assert thinking == {"type": "thinking", "thinking": "Hm", "signature": ""}
    assert weather == {"type": "tool_use", "id": "c", "name": "weather", "input": {"city": "Ulm"}}
    assert now["input"] == {} and now["id"].startswith("toolu_")
    assert out["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("stop", {"content": "a"}, "end_turn"),
        ("length", {"content": "a"}, "max_tokens"),
        ("content_filter", {"content": "a"}, "refusal"),
        ("stop", {"refusal": "I will not"}, "refusal"),
        ("stop", {"tool_calls": [{"id": "c", "function": {"name": "f"}}]}, "tool_use"),
        (None, {"content": "a"}, "end_turn"),
        ("eos", {"content": "a"}, "end_turn"),
    ],
)
def test_reasons(reason: str | None, message: dict[str, Any], expected: str) -> None:
    assert answer(message, reason)["stop_reason"] == expected
    if reason is not None:
        assert told(message, finish(reason))[-2]["delta"]["stop_reason"] == expected


def test_a_stop_sequence_that_the_server_names() -> None:
    out = answer({"content": "a"}, stop_reason="END")
    assert (out["stop_reason"], out["stop_sequence"]) == ("stop_sequence", "END")
    delta = told({"content": "a"}, finish("stop", stop_reason="END"))[-2]["delta"]
    assert delta == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert answer({"content": "a"}, stop_reason=128001)["stop_reason"] == "end_turn"


def test_cached_tokens_are_counted_apart() -> None:
    counts = {
        "prompt_tokens": 127,
        "completion_tokens": 5,
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    cached = {"prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20}}
    assert answer({"content": "a"}, usage=counts | cached)["usage"] == {
        "input_tokens": 7,
        "output_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 4},
    }


def test_arguments_that_are_no_object() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": '{"a": '}}
    with pytest.raises(UpstreamFailed, match="called f with arguments"):
        answer({"tool_calls": [call]}, "tool_calls")
    assert answer({"tool_calls": [call]}, "length")["content"][0]["input"] == {}  # cut off by the bound


def test_what_is_no_answer() -> None:
    with pytest.raises(UpstreamFailed, match="no chat completion"):
        messages_answer(b'{"content":[]}')
    with pytest.raises(BackendError, match="busy") as caught:
        messages_answer(b'{"error":{"code":429,"message":"busy"}}')
    assert caught.value.status == 429


def test_a_stream() -> None:
    out = retell(MessagesStream(), [STREAM])
    events = payloads(out)
    names = [line[7:].decode() for line in out.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in events]
    assert events[0]["message"] == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
        },
    }
    assert events[-1] == {"type": "message_stop"}
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    counts = {"input_tokens": 10, "output_tokens": 12}
    assert counts.items() <= events[-2]["usage"].items()
    assert events[-2]["usage"]["cache_read_input_tokens"] == 100
    shown = [event for event in events if event.get("index") == 0]
    assert shown == [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "H"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "m"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": ""}},
        {"type": "content_block_stop", "index": 0},
    ]
    usage = Usage(True)
    usage.feed(out)
    assert usage.tokens() == (10, 12) and usage.ended


def test_blocks_of_a_stream_come_one_after_the_other() -> None:
    parts = [
        {"content": "a"},
        piece(0, '{"x":1}', id="c0", name="f"),
        piece(1, "", id="c1", name="g"),
        {"content": "b"},
        finish("tool_calls"),
    ]
    assert blocks(*parts) == [
        ({"type": "text", "text": ""}, "a"),
        ({"type": "tool_use", "id": "c0", "name": "f", "input": {}}, '{"x":1}'),
        ({"type": "tool_use", "id": "c1", "name": "g", "input": {}}, ""),
        ({"type": "text", "text": ""}, "b"),
    ]


def test_interleaved_calls_are_untangled() -> None:
    parts = [
        piece(0, id="c0", name="f"),
        piece(1, id="c1", name="g"),
        piece(2, '{"z"', id="c2", name="h"),
        piece(1, '{"y"'),
        piece(0, '{"x"'),
        piece(2, ":3}"),
        piece(1, ":2}"),
        piece(0, ":1}"),
        finish("tool_calls"),
    ]
    assert [(begun["name"], said) for begun, said in blocks(*parts)] == [
        ("f", '{"x":1}'),
        ("g", '{"y":2}'),
        ("h", '{"z":3}'),
    ]


def test_calls_in_turn_are_told_as_they_come() -> None:
    stream = MessagesStream()
    for delta, said in [
        (piece(0, id="c0", name="f"), "tool_use"),
        (piece(0, '{"x"'), '{\\"x\\"'),
        (piece(0, ":1}"), ":1}"),
        (piece(1, id="c1", name="g"), '"c1"'),
        (piece(1, '{"y"'), '{\\"y\\"'),
    ]:
        assert said in stream.feed(chat_events(delta, done=False)).decode()


def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    parts = [
        piece(0, '{"x":1}', id="a", name="f"),
        piece(0, '{"y":2}', id="b", name="g"),
        finish("stop"),
    ]
    assert [(begun["id"], said) for begun, said in blocks(*parts)] == [("a", '{"x":1}'), ("b", '{"y":2}')]
    assert told(*parts)[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_call_that_goes_on_after_its_end_is_a_failure() -> None:
    stream = MessagesStream()
    stream.feed(chat_events(piece(0, "{}", id="a", name="f"), {"content": "x"}, piece(0, "{}"), done=False))
    assert stream.failure is not None


def test_signs_of_life_wait_for_the_answer() -> None:
    stream = MessagesStream()
    assert stream.feed(b": OPENROUTER PROCESSING\n\n") == b""
    stream.feed(chat_events({"content": "a"}, done=False))
    assert stream.feed(b": x\n\n") == b'event: ping\ndata: {"type":"ping"}\n\n'


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error":{"message":"Broken","code":500,"type":"server_error"}}\n\n',
        b'event: error\ndata: {"message":"Broken","type":"api_error"}\n\n',
        b'data: {"error":"Broken"}\n\n',
    ],
)
def test_an_error_in_the_middle_is_a_failure(event: bytes) -> None:
    stream = MessagesStream()
    out = stream.feed(chat_events({"content": "a"}, done=False) + event + chat_events({"content": "b"}))
    assert b'"a"' in out and b'"b"' not in out
    assert isinstance(stream.failure, BackendError) and stream.failure.message == "Broken"


@pytest.mark.parametrize(
    "broken",
    [
        chat_events({"content": "a"}, done=False),
        chat_events(),
        chat_events(usage(1, 2)),
        chat_events({"content": "a"}, done=False) + b"data: {nonsense\n\n",
        chat_events(piece(0, "{}", id="a"), finish("tool_calls")),
        b"",
    ],
)
def test_a_stream_that_is_not_whole_is_a_failure(broken: bytes) -> None:
    stream = MessagesStream()
    assert b"message_stop" not in retell(stream, [broken]) and isinstance(stream.failure, UpstreamFailed)


def test_an_end_without_done_is_one() -> None:
    stream = MessagesStream()
    out = retell(stream, [chat_events({"content": "a"}, finish("stop"), done=False)])
    assert out.endswith(b'data: {"type":"message_stop"}\n\n') and stream.failure is None


def test_other_choices_are_left_out() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]}
    assert blocks({"content": "yes"}, other, finish("stop")) == [({"type": "text", "text": ""}, "yes")]


@given(st.lists(st.integers(0, len(STREAM))), st.booleans())
def test_a_stream_cut_anywhere_says_the_same(cuts: list[int], crlf: bool) -> None:
    data = STREAM.replace(b"\n", b"\r\n") if crlf else STREAM
    points = [0, *sorted(cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(points)]
    assert retell(MessagesStream(), pieces) == retell(MessagesStream(), [STREAM])


@given(st.permutations([0] * 4 + [1] * 4 + [2] * 4))
def test_calls_interleaved_in_any_way_arrive_whole(order: list[int]) -> None:
    pieces = {index: iter(["", '{"n"', f":{index}", "}"]) for index in range(3)}
    parts = []
    begun: list[int] = []
    for index in order:
        first = {} if index in begun else {"id": f"c{index}", "name": f"f{index}"}
        begun += [] if index in begun else [index]
        parts.append(piece(index, next(pieces[index]), **first))
    found = [(block["id"], said) for block, said in blocks(*parts, finish("tool_calls"))]
    assert found == [(f"c{index}", f'{{"n":{index}}}') for index in begun]
