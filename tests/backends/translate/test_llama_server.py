"""The translation on top of one dialect of llama-server, against what it says itself in the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
from backends.translate.telling import front, payloads

from bago_jupyter.backends.translate import CHAT_TO_MESSAGES, MESSAGES_TO_CHAT
from bago_jupyter.engines.llama_cpp import LlamaCpp
from bago_jupyter.engines.modelfile import read_model
from bago_jupyter.engines.runner import Runner
from bago_jupyter.engines.spec import RunnerSpec

SYSTEM = "You answer in one short sentence."
QUESTION = "What is the capital of France?"
CHAT_BODY: dict[str, Any] = {
    "model": "smollm2",
    "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}],
    "max_tokens": 8,
    "temperature": 0,
    "top_k": 1,
}
MESSAGES_BODY: dict[str, Any] = {
    "model": "smollm2",
    "system": SYSTEM,
    "messages": [{"role": "user", "content": QUESTION}],
    "max_tokens": 8,
    "temperature": 0,
    "top_k": 1,
}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
CHAT_TOOLS: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "How is the weather in Ulm?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Ulm"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "Rain"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Tells it", "parameters": WEATHER},
        }
    ],
}
MESSAGES_TOOLS: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "How is the weather in Ulm?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c", "name": "weather", "input": {"city": "Ulm"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "Rain"}]},
    ],
    "tools": [{"name": "weather", "description": "Tells it", "input_schema": WEATHER}],
}


@asynccontextmanager
async def servers(path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, str, str]]:
    """A client of llama-server itself, and the URLs of both translations on top of it."""
    fields: dict[str, Any] = {
        "context_length": 1024,
        "slots": 1,
        "threads": 1,
        "aliases": ("smollm2",),
        "api_key": "hunter2",
    }
    spec = RunnerSpec(path=str(path), **fields)
    runner = Runner(read_model(path, "smollm2"), LlamaCpp(), spec)
    await runner.start()
    try:
        async with (
            httpx.AsyncClient(base_url=runner.url, headers=runner.headers, timeout=60) as native,
            front(CHAT_TO_MESSAGES, runner.url, runner.headers) as chat,
            front(MESSAGES_TO_CHAT, runner.url, runner.headers) as messages,
        ):
            yield native, chat, messages
    finally:
        await runner.stop()


async def both(native: httpx.AsyncClient, url: str, path: str, body: dict[str, Any]) -> tuple[Any, Any]:
    """The server's own answer and the translated one, of equal status; events as a list."""
    # once before, so that the prompt is in the cache for both
    await native.post(path, json=body | {"max_tokens": 1, "stream": False})
    own = await native.post(path, json=body)
    async with httpx.AsyncClient(base_url=url, timeout=60) as translated:
        told = await translated.post(path, json=body)
    assert own.status_code == told.status_code, (own.text, told.text)
    assert own.headers["content-type"].split(";")[0] == told.headers["content-type"].split(";")[0]
    if body.get("stream") and own.status_code == 200:
        return payloads(own.content), payloads(told.content)
    return own.json(), told.json()


async def compare_chat(native: httpx.AsyncClient, url: str) -> None:
    path = "/v1/chat/completions"
    for more in ({}, {"max_tokens": 50, "stop": [" is"]}, CHAT_TOOLS):
        own, told = await both(native, url, path, CHAT_BODY | more)
        assert own["choices"][0]["message"]["content"] == told["choices"][0]["message"]["content"]
        assert own["choices"][0]["finish_reason"] == told["choices"][0]["finish_reason"]
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            assert own["usage"][name] == told["usage"][name]
        cached = [one["usage"]["prompt_tokens_details"]["cached_tokens"] for one in (own, told)]
        assert cached[0] == cached[1] > 0
        assert (own["object"], own["model"]) == (told["object"], told["model"])

    options = {"stream": True, "stream_options": {"include_usage": True}}
    own, told = await both(native, url, path, CHAT_BODY | options)
    assert own[-1] == told[-1] == "[DONE]"
    own, told = own[:-1], told[:-1]
    assert own[-1]["choices"] == told[-1]["choices"] == []
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert own[-1]["usage"][name] == told[-1]["usage"][name]
    assert own[-2]["choices"][0]["finish_reason"] == told[-2]["choices"][0]["finish_reason"]
    texts = [[c["choices"][0]["delta"].get("content") or "" for c in one[:-1]] for one in (own, told)]
    assert [text for text in texts[0] if text] == [text for text in texts[1] if text] != []
    assert told[0]["choices"][0]["delta"]["role"] == own[0]["choices"][0]["delta"]["role"] == "assistant"


async def compare_messages(native: httpx.AsyncClient, url: str) -> None:
    path = "/v1/messages"
    for more in ({}, {"max_tokens": 50, "stop_sequences": [" of"]}, MESSAGES_TOOLS):
        own, told = await both(native, url, path, MESSAGES_BODY | more)
        assert own["content"] == told["content"] and own["stop_reason"] == told["stop_reason"]
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens"):
            assert own["usage"][name] == told["usage"][name]
        assert told["usage"]["cache_read_input_tokens"] > 0
        assert set(own) <= set(told)

    own, told = await both(native, url, path, MESSAGES_BODY | {"stream": True})
    assert [event["type"] for event in own] == [event["type"] for event in told]
    deltas = [[e["delta"] for e in one if e["type"] == "content_block_delta"] for one in (own, told)]
    assert deltas[0] == deltas[1] != []
    assert own[-2]["delta"] == told[-2]["delta"]
    assert own[-2]["usage"]["output_tokens"] == told[-2]["usage"]["output_tokens"]
    assert set(own[0]["message"]) <= set(told[0]["message"])


async def compare_errors(native: httpx.AsyncClient, chat: str, messages: str) -> None:
    long = {"messages": [{"role": "user", "content": "word " * 3000}]}
    for stream in (False, True):
        own, told = await both(native, chat, "/v1/chat/completions", CHAT_BODY | long | {"stream": stream})
        assert told["error"]["code"] == "context_length_exceeded"
        assert told["error"]["message"] == own["error"]["message"]
        _, told = await both(native, messages, "/v1/messages", MESSAGES_BODY | long | {"stream": stream})
        assert told["type"] == "error" and told["error"]["type"] == "invalid_request_error"
        assert told["error"]["message"].startswith("prompt is too long: ")


async def keep_schema(url: str, stream: bool) -> None:
    """llama-server knows schemas in chat completions only, so they come from Anthropic's client here."""
    schema = {"type": "object", "properties": {"n": {"enum": [17]}}, "required": ["n"]}
    form: Any = {"format": {"type": "json_schema", "schema": schema}}
    ask: Any = {"model": "smollm2", "messages": MESSAGES_BODY["messages"], "max_tokens": 40}
    async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
        if stream:
            async with client.messages.stream(output_config=form, **ask) as answer:
                message = await answer.get_final_message()
        else:
            message = await client.messages.create(output_config=form, **ask)
    (block,) = message.content
    assert block.type == "text" and block.text.replace(" ", "").replace("\n", "") == '{"n":17}'


def test_a_translated_answer_is_the_servers_own(starter_gguf: Path) -> None:
    async def run() -> None:
        async with servers(starter_gguf) as (native, chat, messages):
            await compare_chat(native, chat)
            await compare_messages(native, messages)
            await compare_errors(native, chat, messages)
            await keep_schema(messages, stream=False)
            await keep_schema(messages, stream=True)

    asyncio.run(run())
