"""Events as one answer, whatever their fields hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bago_jupyter.backends.reshaping import as_whole
from bago_jupyter.router.shape import Dialect

TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "one"}}
MESSAGE: list[Any] = [
    {"type": "message_start", "message": {"id": "m", "content": []}},
    TEXT,
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "name": "f"}},
]


def told(dialect: Dialect, *events: Any) -> Any:
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    return json.loads(as_whole(body, dialect, lambda name, data: None))


@pytest.mark.parametrize("kind", [[], {}, ["message_stop"], 7, None])
def test_a_type_of_another_type_is_none(kind: Any) -> None:
    answer = told("messages", *MESSAGE[:2], {"type": kind}, {"type": "message_stop"})
    assert answer["content"] == [{"type": "text", "text": "one"}]
    done = {"type": "response.completed", "response": {"id": "r", "output": []}}
    assert told("responses", {"type": kind}, done) == done["response"]


def test_half_a_character_in_arguments_is_replaced() -> None:
    delta = {"type": "input_json_delta", "partial_json": '{"a":"\ud83d"}'}
    answer = told(
        "messages",
        *MESSAGE,
        {"type": "content_block_delta", "index": 1, "delta": delta},
        {"type": "message_stop"},
    )
    assert answer["content"][1]["input"] == {"a": "\ufffd"}
