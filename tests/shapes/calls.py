"""Answers that call tools, streamed and whole."""

from __future__ import annotations

from typing import Any

from shapes.shape import END, Call, Shape, chunk, completion, stream, whole

_CALLED = (Call("w", {"a": 1}, "call_1"),)
_OTHER = Call("v", {"b": 2}, "call_2")


def _call(arguments: Any, **more: Any) -> dict[str, Any]:
    """The first piece of a call; a field of ``more`` takes the place of one."""
    return {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "w", "arguments": arguments},
    } | more


def _more(arguments: Any, index: Any = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments}} | more


def _calls(name: str, *pieces: Any, calls: tuple[Call, ...] = _CALLED, finish: Any = "tool_calls") -> Shape:
    """A stream with one piece, or several, of its calls in each event."""
    told = [chunk({"tool_calls": piece if isinstance(piece, list) else [piece]}) for piece in pieces]
    first = chunk({"role": "assistant", "content": None})
    return stream(name, [first, *told, chunk({}, finish)], calls=calls, finish=finish)


def _whole(name: str, call: dict[str, Any], calls: tuple[Call, ...] = _CALLED) -> Shape:
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return whole(name, completion(message, "tool_calls"), calls=calls, finish="tool_calls", tokens=(5, 2))


_NAMELESS = {"index": 0, "id": None, "type": None}
_SECOND = {"index": 1, "id": "call_2", "type": "function", "function": {"name": "v", "arguments": ""}}
_EMPTY = {"index": 0, "id": "", "function": {"name": "", "arguments": ""}}

CALLS = [
    _calls("call-in-pieces", _call(""), _more('{"a"'), _more(":1}")),
    _calls("call-in-one-piece", _call('{"a": 1}')),
    _calls(
        "call-padded-with-nulls",
        _call(""),
        _NAMELESS | {"function": {"name": None, "arguments": '{"a"'}},
        _NAMELESS | {"function": {"name": None, "arguments": ":1}"}},
        _NAMELESS | {"function": {"name": None, "arguments": None}},
    ),
    _calls("call-arguments-an-object", _call({"a": 1})),
    _calls("call-arguments-null-first", _call(None), _more('{"a":1}')),
    _calls(
        "call-name-late",
        {"index": 0, "id": "call_1", "type": "function"},
        {"index": 0, "function": {"name": "w"}},
        _more('{"a":1}'),
    ),
    _calls("call-name-repeated", _call(""), _call('{"a":1}')),
    _calls("call-id-a-number", _call('{"a":1}', id=7), calls=(Call("w", {"a": 1}),)),
    _calls("call-id-missing", _call('{"a":1}', id=None), calls=(Call("w", {"a": 1}),)),
    _calls("call-index-missing", _call('{"a":1}', index=None)),
    _calls("call-index-a-text", _call("", index="0"), _more('{"a":1}', index="0")),
    _calls(
        "calls-side-by-side",
        [_call(""), _SECOND],
        [_more('{"a"'), _more('{"b"', 1)],
        [_more(":1}"), _more(":2}", 1)],
        calls=(*_CALLED, _OTHER),
    ),
    _calls("call-that-stops", _call('{"a":1}'), finish="stop"),
    stream(
        "calls-empty",
        [
            chunk({"role": "assistant", "content": "one ", "tool_calls": []}),
            chunk({"content": "two", "tool_calls": None}),
            END,
        ],
        text="one two",
    ),
    stream(
        "call-without-a-name",
        [chunk({"content": "one two"}), chunk({"tool_calls": [_EMPTY]}), END],
        text="one two",
    ),
    stream(
        "calls-of-other-types",
        [
            chunk({"content": "one ", "tool_calls": {}}),
            chunk({"content": "two", "tool_calls": [None, 3]}),
            END,
        ],
        text="one two",
    ),
    _whole("whole-call", _call('{"a":1}')),
    _whole("whole-call-arguments-an-object", _call({"a": 1})),
    _whole("whole-call-id-a-number", _call('{"a":1}', id=7), (Call("w", {"a": 1}),)),
    whole(
        "whole-calls-null",
        completion({"role": "assistant", "content": "one two", "tool_calls": None}),
        text="one two",
        tokens=(5, 2),
    ),
]
