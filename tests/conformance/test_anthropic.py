"""Messages by the ``anthropic`` package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from mesh.hosts import Node

from conformance.desk import FIXED, HELLO, KEY

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"name": "get_weather", "description": "The weather.", "input_schema": CITY}]
ASKED: list[Any] = [
    {"role": "user", "content": "Weather in Rome?"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Rome"}}],
    },
    {"role": "user", "content": "Weather in Rome?"},
]
COLD: Any = {"temperature": 0}


def test_whole(claude: anthropic.Anthropic, ada: Node) -> None:
    raw = claude.messages.with_raw_response.create(
        model="smol", max_tokens=8, system="You are terse.", messages=HELLO, extra_body=COLD
    )
    got = raw.parse()
    assert (got.type, got.role, got.stop_reason, got.model) == ("message", "assistant", "max_tokens", "smol")
    assert got.content[0].type == "text" and got.content[0].text
    assert got.usage.output_tokens == 8
    assert raw.headers["x-bago-node"] == "bob"
    assert ada.client.why(raw.headers["x-request-id"]).dialect == "messages"


def test_streamed(claude: anthropic.Anthropic) -> None:
    options: dict[str, Any] = {"model": "smol", "max_tokens": 12, "messages": HELLO, "extra_body": COLD}
    whole = claude.messages.create(**options)
    with claude.messages.stream(**options) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert whole.content[0].type == "text"
    assert "".join(pieces) == whole.content[0].text and len(pieces) > 3
    assert final.stop_reason == whole.stop_reason
    assert final.usage.output_tokens == whole.usage.output_tokens
    with claude.messages.create(**options, stream=True) as events:
        kinds = [event.type for event in events]
    assert (kinds[0], kinds[1]) == ("message_start", "content_block_start")
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_stop_sequences(claude: anthropic.Anthropic) -> None:
    options: dict[str, Any] = {"model": "smol", "messages": HELLO, "extra_body": COLD}
    first = claude.messages.create(**options, max_tokens=8).content[0]
    assert first.type == "text"
    word = first.text[3:6]
    cut = claude.messages.create(**options, max_tokens=8, stop_sequences=[word])
    assert cut.stop_sequence == word
    assert cut.content[0].type == "text" and cut.content[0].text == first.text[: first.text.index(word)]


def test_system_in_blocks(claude: anthropic.Anthropic) -> None:
    block: Any = {"type": "text", "text": "You are terse.", "cache_control": {"type": "ephemeral"}}
    plain = claude.messages.count_tokens(model="smol", messages=HELLO)
    told = claude.messages.count_tokens(model="smol", messages=HELLO, system=[block])
    got = claude.messages.create(model="smol", max_tokens=2, messages=HELLO, system=[block])
    assert told.input_tokens != plain.input_tokens
    assert got.usage.input_tokens + (got.usage.cache_read_input_tokens or 0) == told.input_tokens


def test_tools(claude: anthropic.Anthropic) -> None:
    options: dict[str, Any] = {"model": "caller", "max_tokens": 60, "messages": ASKED, "tools": TOOLS}
    got = claude.messages.create(**options, extra_body=COLD)
    assert got.stop_reason == "tool_use"
    call = got.content[-1]
    assert call.type == "tool_use" and call.name == "get_weather" and set(call.input) == {"city"}
    with claude.messages.stream(**options, extra_body=COLD) as stream:
        last = stream.get_final_message()
    again = last.content[-1]
    assert last.stop_reason == "tool_use"
    assert again.type == "tool_use" and (again.name, again.input) == (call.name, call.input)


def test_a_tools_answer_goes_back(claude: anthropic.Anthropic) -> None:
    result: Any = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}],
    }
    got = claude.messages.create(model="caller", max_tokens=4, messages=[*ASKED[:2], result], tools=TOOLS)
    assert got.usage.output_tokens > 0


def test_models(claude: anthropic.Anthropic, starter_gguf: Path) -> None:
    page = claude.models.list()
    assert {"smol", "caller"} <= {model.id for model in page.data}
    assert page.has_more is False
    assert (page.first_id, page.last_id) == (page.data[0].id, page.data[-1].id)
    model = claude.models.retrieve("bob/smol")
    assert (model.type, model.id, model.display_name) == ("model", "bob/smol", "bob/smol")
    assert model.created_at.timestamp() == int(starter_gguf.stat().st_mtime)
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.models.retrieve("nope")
    assert caught.value.body["type"] == "error"  # type: ignore[index,call-overload]


def test_answers_carry_the_id_where_its_package_looks_for_it(
    claude: anthropic.Anthropic, http: httpx.Client
) -> None:
    got = claude.messages.with_raw_response.create(model="smol", max_tokens=2, messages=HELLO)
    assert got.headers["request-id"] == got.headers["x-request-id"] == got.parse()._request_id
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.messages.create(model="nope", max_tokens=2, messages=HELLO)
    assert caught.value.request_id == caught.value.response.headers["x-request-id"]
    chat = http.post("/v1/chat/completions", json={"model": "smol", "max_tokens": 1, "messages": HELLO})
    assert "x-request-id" in chat.headers and "request-id" not in chat.headers


@pytest.mark.parametrize("bound", [3, 3.0])
def test_a_bound_is_any_json_number(http: httpx.Client, bound: float) -> None:
    got = http.post("/v1/messages", json={"model": "smol", "max_tokens": bound, "messages": HELLO, **FIXED})
    assert got.status_code == 200, got.text
    assert got.json()["usage"]["output_tokens"] <= 3


def test_errors(claude: anthropic.Anthropic, url: str) -> None:
    def kind(error: anthropic.APIStatusError) -> str:
        body: Any = error.body
        assert body["type"] == "error" and body["error"]["message"]
        return str(body["error"]["type"])

    with pytest.raises(anthropic.NotFoundError, match="No node has a model") as missing:
        claude.messages.create(model="nope", max_tokens=2, messages=HELLO)
    assert kind(missing.value) == "not_found_error"
    for words in (2_000, 100_000):
        with pytest.raises(anthropic.BadRequestError, match="context") as long:
            claude.messages.create(
                model="smol", max_tokens=2, messages=[{"role": "user", "content": "word " * words}]
            )
        assert kind(long.value) == "invalid_request_error"
    with pytest.raises(anthropic.BadRequestError, match="'messages' is required"):
        claude.post("/v1/messages", body={"model": "smol", "max_tokens": 2}, cast_to=object)
    with pytest.raises(anthropic.RequestTooLargeError) as large:
        claude.messages.create(
            model="smol", max_tokens=2, messages=[{"role": "user", "content": "x" * 2_200_000}]
        )
    assert kind(large.value) == "request_too_large"
    with anthropic.Anthropic(base_url=url, api_key=KEY + "x", max_retries=0) as wrong:
        with pytest.raises(anthropic.AuthenticationError, match="key is wrong") as refused:
            wrong.messages.create(model="smol", max_tokens=2, messages=HELLO)
        assert kind(refused.value) == "authentication_error"
        with pytest.raises(anthropic.AuthenticationError) as refused:
            wrong.models.list()
        assert kind(refused.value) == "authentication_error"
