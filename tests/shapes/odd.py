"""Streams and answers that are whole, and written as nobody else does."""

from __future__ import annotations

import json
from typing import Any

from shapes.shape import DONE, END, chunk, completion, event, raw_stream, says, stream, whole

ONE_TWO: list[Any] = says("one ", "two")
_WHOLE = json.dumps(completion()).encode()
_WRITTEN = [event(it) for it in ONE_TWO]
_REMARK = {"message": "just a remark"}


def _at(index: int) -> list[Any]:
    """Chunks of another choice than the first."""
    choice = {"index": index, "delta": {"content": "one two"}, "finish_reason": None}
    return [chunk(choices=[choice]), chunk(choices=[choice | {"delta": {}, "finish_reason": "stop"}])]


def _grown(*texts: str) -> list[Any]:
    return [{"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]} for text in texts]


def _calling(function: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": function}]})


ODD = [
    stream(
        "chunks-in-a-list", [[chunk({"content": "one "}), chunk({"content": "two"})], END], text="one two"
    ),
    stream(
        "chunks-of-a-completion",
        [
            {"choices": [{"index": 0, "text": "one "}]},
            {"choices": [{"index": 0, "text": "two", "finish_reason": "stop"}]},
        ],
        text="one two",
    ),
    stream(
        "choices-an-object",
        [chunk(choices={"index": 0, "delta": {"content": "one two"}}), END],
        text="one two",
    ),
    stream("index-one", _at(1), text="one two"),
    stream("index-below-zero", _at(-1), text="one two"),
    stream(
        "content-in-a-value",
        says([{"type": "text", "text": {"value": "one ", "annotations": []}}], "two"),
        text="one two",
    ),
    stream("a-message-that-grows", [*_grown("one ", "one two"), END], text="one two"),
    stream("messages-in-pieces", [*_grown("one ", "two"), END], text="one two"),
    stream("a-message-behind-its-pieces", [*ONE_TWO[:-1], *_grown("one two"), END], text="one two"),
    raw_stream("a-line-without-a-colon", [b"heartbeat\n\n", *_WRITTEN, event(DONE)], text="one two"),
    raw_stream("a-field-that-nobody-knows", [b"foo: bar\n\n", *_WRITTEN, event(DONE)], text="one two"),
    raw_stream("done-in-small-letters", [*_WRITTEN, event("[done]")], text="one two"),
    stream(
        "text-that-is-no-json",
        [*ONE_TWO[:2], event("still working"), *ONE_TWO[2:]],
        text="one two",
    ),
    stream("a-remark-in-error", [chunk({"content": "one two"}, error=_REMARK), END], text="one two"),
    stream(
        "a-call-without-a-name",
        [*ONE_TWO[:-1], _calling({"arguments": "{}"}), chunk({}, "tool_calls")],
        text="one two",
        finish="tool_calls",
    ),
    whole("whole-and-garbage", _WHOLE + b"\n<!-- injected -->", text="one two", tokens=(5, 2)),
    whole("whole-in-a-list", b"[" + _WHOLE + b"]", text="one two", tokens=(5, 2)),
    whole("whole-with-a-remark", completion(error=_REMARK), text="one two", tokens=(5, 2)),
    whole("whole-in-utf-8", _WHOLE, "content-encoding: utf-8", text="one two", tokens=(5, 2)),
    whole("whole-in-none", _WHOLE, "content-encoding: none", text="one two", tokens=(5, 2)),
]
"""Each was an error, or an answer without its text, somewhere."""
