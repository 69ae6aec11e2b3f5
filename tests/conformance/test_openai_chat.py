"""Chat completions by the ``openai`` package."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from mesh.hosts import Node
from pydantic import BaseModel

from conformance.desk import FIXED, HELLO

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]
ASKED: list[Any] = [
    {"role": "user", "content": "Weather in Rome?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'},
            }
        ],
    },
    {"role": "user", "content": "Weather in Rome?"},
]
"""A small model does again what it did before."""


def test_whole_answer(client: openai.OpenAI, ada: Node) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="smol", messages=HELLO, max_tokens=8, **FIXED
    )
    got = raw.parse()
    assert got.object == "chat.completion" and got.model == "smol"
    assert got.choices[0].message.role == "assistant" and got.choices[0].message.content
    assert got.usage and got.usage.total_tokens == got.usage.prompt_tokens + got.usage.completion_tokens
    assert raw.headers["x-bago-node"] == "bob"
    assert raw.headers["x-bago-attempts"] == "1"
    decision = ada.client.why(raw.headers["x-request-id"])
    assert decision.completion_tokens == got.usage.completion_tokens


def test_same_as_asking_bob(client: openai.OpenAI, bob: Node) -> None:
    options: dict[str, Any] = {"messages": HELLO, "max_tokens": 24, **FIXED}
    here = client.chat.completions.create(model="smol", **options).choices[0].message.content
    there = bob.http.post("/v1/chat/completions", json={"model": "smol", **options}).json()
    assert here == there["choices"][0]["message"]["content"]


def test_streamed(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"model": "smol", "messages": HELLO, "max_tokens": 16, **FIXED}
    whole = client.chat.completions.create(**options)
    with client.chat.completions.create(
        **options, stream=True, stream_options={"include_usage": True}
    ) as stream:
        assert stream.response.headers["x-bago-node"] == "bob"
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == whole.choices[0].message.content
    assert len(said) > 5
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage and whole.usage
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_without_usage_has_none(client: openai.OpenAI) -> None:
    with client.chat.completions.create(model="smol", messages=HELLO, max_tokens=3, stream=True) as stream:
        chunks = list(stream)
    assert chunks and all(chunk.usage is None for chunk in chunks)


def test_stream_helper(client: openai.OpenAI) -> None:
    said = 'root ::= "one two three"'
    with client.chat.completions.stream(model="smol", messages=HELLO, extra_body={"grammar": said}) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(pieces) == final.choices[0].message.content == "one two three"


def test_tools(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(
        model="caller", messages=ASKED, tools=TOOLS, max_tokens=60, temperature=0
    )
    choice = got.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    (call,) = choice.message.tool_calls
    assert call.type == "function" and call.id
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city"}


def test_tools_streamed(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"model": "caller", "messages": ASKED, "tools": TOOLS, "max_tokens": 60}
    with client.chat.completions.create(**options, temperature=0, stream=True) as stream:
        chunks = [chunk for chunk in stream if chunk.choices]
    deltas = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    first = deltas[0]
    assert first.id and first.function and first.function.name == "get_weather"
    arguments = "".join(call.function.arguments or "" for call in deltas if call.function)
    assert set(json.loads(arguments)) == {"city"}
    assert len(deltas) > 3
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_a_tools_answer_goes_back(client: openai.OpenAI) -> None:
    result: Any = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    got = client.chat.completions.create(
        model="caller", messages=[*ASKED[:2], result], tools=TOOLS, max_tokens=4
    )
    assert got.usage and got.usage.completion_tokens > 0


def test_json_mode(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(
        model="smol", messages=HELLO, max_tokens=24, response_format={"type": "json_object"}, **FIXED
    )
    assert (got.choices[0].message.content or "").lstrip().startswith("{")


def test_json_schema(client: openai.OpenAI) -> None:
    class Answer(BaseModel):
        n: int
        ok: bool

    got = client.chat.completions.parse(
        model="smol", messages=HELLO, max_tokens=80, response_format=Answer, **FIXED
    )
    assert got.choices[0].finish_reason == "stop"
    assert isinstance(got.choices[0].message.parsed, Answer)


def test_a_schema_that_is_none(client: openai.OpenAI) -> None:
    wrong: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "banana"}}}
    with pytest.raises(openai.BadRequestError, match="banana"):
        client.chat.completions.create(model="smol", messages=HELLO, response_format=wrong)


def test_stop_and_length(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"model": "smol", "messages": HELLO, **FIXED}
    full = client.chat.completions.create(**options, max_tokens=2)
    assert full.choices[0].finish_reason == "length"
    assert full.usage and full.usage.completion_tokens == 2
    newer = client.chat.completions.create(**options, max_completion_tokens=2)
    assert newer.choices[0].message.content == full.choices[0].message.content
    word = client.chat.completions.create(**options, max_tokens=8).choices[0].message.content or ""
    cut = client.chat.completions.create(**options, max_tokens=8, stop=[word[3:6]])
    assert cut.choices[0].finish_reason == "stop"
    assert cut.choices[0].message.content == word[: word.index(word[3:6])]


def test_logprobs(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(
        model="smol", messages=HELLO, max_tokens=3, logprobs=True, top_logprobs=2, **FIXED
    )
    assert got.choices[0].logprobs and got.choices[0].logprobs.content
    for token in got.choices[0].logprobs.content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 2


def test_several_choices(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(model="smol", messages=HELLO, max_tokens=2, n=2)
    assert [choice.index for choice in got.choices] == [0, 1]
    with pytest.raises(openai.BadRequestError, match="'n'"):
        client.chat.completions.create(model="smol", messages=HELLO, max_tokens=2, n=99)


def test_what_nobody_here_knows_passes(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(
        model="smol",
        messages=HELLO,
        max_tokens=1,
        user="u-1",
        store=False,
        metadata={"a": "b"},
        parallel_tool_calls=True,
        service_tier="auto",
        extra_body={"whatever": {"model": "nope", "stream": True}, "top_k": 1},
        extra_headers={"OpenAI-Organization": "org-1", "OpenAI-Project": "p", "OpenAI-Beta": "x=v1"},
        extra_query={"api-version": "2026-01-01"},
    )
    assert got.choices[0].message.content


def test_emoji_come_whole(client: openai.OpenAI) -> None:
    """A grammar makes the model say characters of several tokens each."""
    said = "🦙é漢👩‍🚀"
    grammar = {"grammar": f'root ::= "{said}"'}
    whole = client.chat.completions.create(model="smol", messages=HELLO, max_tokens=60, extra_body=grammar)
    assert whole.choices[0].message.content == said
    with client.chat.completions.create(
        model="smol", messages=HELLO, max_tokens=60, extra_body=grammar, stream=True
    ) as stream:
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == said
    assert len([piece for piece in pieces if piece]) > 2
    assert not any("\ufffd" in piece for piece in pieces)


def test_utf8_in_the_prompt(client: openai.OpenAI, bob: Node) -> None:
    said = [{"role": "user", "content": 'é 漢字 🦙 \u2028 \\ " \u0000'}]
    here = client.chat.completions.create(model="smol", messages=said, max_tokens=4, **FIXED)  # type: ignore[arg-type]
    there = bob.http.post(
        "/v1/chat/completions", json={"model": "smol", "messages": said, "max_tokens": 4, **FIXED}
    ).json()
    assert here.usage and here.usage.prompt_tokens == there["usage"]["prompt_tokens"]
    assert here.choices[0].message.content == there["choices"][0]["message"]["content"]
