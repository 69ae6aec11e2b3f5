"""Answers in one piece."""

from __future__ import annotations

import json
from typing import Any

from shapes.shape import Shape, completion, whole


def _says(name: str, message: Any = None, finish: Any = "stop", text: str = "one two", **more: Any) -> Shape:
    reasoning = more.pop("reasoning", "")
    body = completion(None if message is None else {"role": "assistant"} | message, finish, **more)
    return whole(name, body, text=text, reasoning=reasoning, finish=finish, tokens=(5, 2))


def _using(name: str, usage: Any, tokens: tuple[int, int] | None = None) -> Shape:
    return whole(name, completion(usage=usage), text="one two", tokens=tokens)


_PLAIN = json.dumps(completion()).encode()
_OTHER: dict[str, Any] = {"id": 17, "object": None, "created": "now", "model": 3.5, "system_fingerprint": {}}

WHOLES = [
    _says("whole"),
    _says("whole-beyond-ascii", {"content": "é\u2028北😀"}, text="é\u2028北😀"),
    _says(
        "whole-content-null",
        {"content": None, "tool_calls": None, "reasoning_content": "hm"},
        text="",
        reasoning="hm",
    ),
    _says(
        "whole-content-parts",
        {"content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]},
    ),
    _says(
        "whole-content-thinking-part",
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "one two"},
            ]
        },
        reasoning="hm",
    ),
    _says("whole-content-a-number", {"content": 42}, text="42"),
    _says("whole-reasoning", {"content": "one two", "reasoning": "hm"}, reasoning="hm"),
    _says("whole-refusal", {"content": None, "refusal": "I will not."}, text="I will not."),
    _says("whole-error-null", error=None),
    _says("whole-length", finish="length"),
    _says("whole-ids-of-other-types", **_OTHER),
    _says("whole-fields-nobody-knows", provider="p", timings=[], prompt_logprobs=None),
    whole(
        "whole-finish-missing",
        {"choices": [{"message": {"content": "one two"}}]},
        text="one two",
        finish=None,
    ),
    whole(
        "whole-index-null",
        {
            "choices": [
                {"index": None, "message": {"role": None, "content": "one two"}, "finish_reason": "stop"}
            ]
        },
        text="one two",
    ),
    _using("whole-usage-null", None),
    _using("whole-usage-in-words", {"prompt_tokens": "5", "completion_tokens": "2"}, (5, 2)),
    _using("whole-usage-in-floats", {"prompt_tokens": 5.0, "completion_tokens": 2.0}, (5, 2)),
    _using("whole-usage-absurd", {"prompt_tokens": -1, "completion_tokens": 10**30}),
    _using("whole-usage-a-list", [5, 2]),
    whole("whole-behind-a-byte-order-mark", b"\xef\xbb\xbf" + _PLAIN, text="one two", tokens=(5, 2)),
    whole("whole-between-blanks", b"\n \r\n" + _PLAIN + b"\n\n", text="one two", tokens=(5, 2)),
    whole("whole-as-text", _PLAIN, kind="text/plain", text="one two", tokens=(5, 2)),
    whole("whole-without-a-type", _PLAIN, kind=None, text="one two", tokens=(5, 2)),
]
