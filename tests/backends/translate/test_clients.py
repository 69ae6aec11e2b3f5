"""What the clients' own packages make of translated answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest
from backends.translate.telling import (
    backend,
    chat_events,
    decode,
    encode,
    finish,
    front,
    messages_events,
    start,
    stop,
    text_block,
    tool_block,
    usage,
)

from bago_jupyter.backends.translate import CHAT_TO_MESSAGES, MESSAGES_TO_CHAT

CHUNK = 7
TOOLS_CHAT: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
TOOLS_MESSAGES: Any = [{"name": "weather", "input_schema": {"type": "object"}}]
HI: Any = [{"role": "user", "content": "Hi"}]
THINKING = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}},
    {"type": "content_block_stop", "index": 0},
]
ANTHROPIC_STREAM = messages_events(
    start(cache_read_input_tokens=3),
    {"type": "ping"},
    *THINKING,
    *text_block(1, "Hello ", "wörld"),
    *tool_block(2, "toolu_1", "weather", '{"city"', ':"Ulm"}'),
    *tool_block(3, "toolu_2", "weather"),
    *stop("tool_use", output_tokens=12),
)
OPENAI_STREAM = chat_events(
    {"role": "assistant", "content": ""},
    {"reasoning_content": "Hm"},
    {"content": "Hello "},
    {"content": "wörld"},
    {"tool_calls": [{"index": 0, "id": "c0", "type": "function", "function": {"name": "weather"}}]},
    {"tool_calls": [{"index": 1, "id": "c1", "type": "function", "function": {"name": "weather"}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":"Ulm"}'}}]},
    {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    finish("tool_calls"),
    usage(110, 12, cached=100),
)


def with_openai(
    work: Callable[[openai.AsyncOpenAI], Awaitable[None]], answer: bytes, status: int = 200, chunk: int = 0
) -> Any:
    """Run ``work`` against a backend that speaks Anthropic messages; what that backend was asked."""

    async def run() -> Any:
        async with (
            backend(answer, status, chunk) as server,
            front(CHAT_TO_MESSAGES, server.url) as url,
            openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
        ):
            await work(client)
        return decode(server.calls[0].body)

    return asyncio.run(run())


def with_anthropic(
    work: Callable[[anthropic.AsyncAnthropic], Awaitable[None]],
    answer: bytes,
    status: int = 200,
    chunk: int = 0,
) -> Any:
    """Run ``work`` against a backend that speaks chat completions; what that backend was asked."""

    async def run() -> Any:
        async with (
            backend(answer, status, chunk) as server,
            front(MESSAGES_TO_CHAT, server.url) as url,
            anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client,
        ):
            await work(client)
        return decode(server.calls[0].body)

    return asyncio.run(run())


def test_openai_reads_a_whole_answer() -> None:
    blocks = [
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Ulm"}},
    ]
    message = {"id": "msg_1", "model": "m", "content": blocks, "stop_reason": "tool_use"}
    counts = {"input_tokens": 4, "output_tokens": 2, "cache_read_input_tokens": 3}

    async def work(client: openai.AsyncOpenAI) -> None:
        answer = await client.chat.completions.create(model="m", messages=HI, tools=TOOLS_CHAT)
        (choice,) = answer.choices
        assert choice.finish_reason == "tool_calls" and choice.message.content == "Hello"
        (call,) = choice.message.tool_calls or ()
        assert call.type == "function" and call.function.arguments == '{"city":"Ulm"}'
        assert answer.usage is not None and answer.usage.prompt_tokens == 7 and answer.usage.total_tokens == 9
        assert answer.usage.prompt_tokens_details is not None
        assert answer.usage.prompt_tokens_details.cached_tokens == 3

    asked = with_openai(work, encode(message | {"usage": counts}))
    assert asked["tools"][0]["name"] == "weather" and asked["messages"] == HI


def test_openai_reads_a_stream() -> None:
    async def work(client: openai.AsyncOpenAI) -> None:
        async with client.chat.completions.stream(
            model="m", messages=HI, tools=TOOLS_CHAT, stream_options={"include_usage": True}
        ) as stream:
            events = [event async for event in stream]
            final = await stream.get_final_completion()
        deltas = [event.delta for event in events if event.type == "content.delta"]
        assert deltas == ["", "Hello ", "wörld"]
        (choice,) = final.choices
        assert choice.message.content == "Hello wörld" and choice.finish_reason == "tool_calls"
        calls = [(call.id, call.function.arguments) for call in choice.message.tool_calls or ()]
        assert calls == [("toolu_1", '{"city":"Ulm"}'), ("toolu_2", "{}")]
        assert final.usage is not None and final.usage.prompt_tokens == 10
        assert final.usage.completion_tokens == 12

    assert with_openai(work, ANTHROPIC_STREAM, chunk=CHUNK)["stream"] is True


def test_openai_shows_thinking_as_it_does_for_other_servers() -> None:
    async def work(client: openai.AsyncOpenAI) -> None:
        stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
        chunks = [chunk async for chunk in stream]
        thinking = [getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in chunks]
        assert "Hm" in thinking and all(chunk.choices for chunk in chunks)

    with_openai(work, ANTHROPIC_STREAM, chunk=CHUNK)


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", openai.BadRequestError),
        (401, "authentication_error", openai.AuthenticationError),
        (404, "not_found_error", openai.NotFoundError),
        (429, "rate_limit_error", openai.RateLimitError),
        (529, "overloaded_error", openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_openai_reads_errors(
    status: int, kind: str, error: type[openai.APIStatusError], stream: bool
) -> None:
    async def work(client: openai.AsyncOpenAI) -> None:
        with pytest.raises(error, match="Why not") as caught:
            await client.chat.completions.create(model="m", messages=HI, stream=stream)
        assert caught.value.code == kind

    with_openai(work, encode({"type": "error", "error": {"type": kind, "message": "Why not"}}), status)


def test_openai_reads_an_error_in_the_middle() -> None:
    broken = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

    async def work(client: openai.AsyncOpenAI) -> None:
        said = ""

        async def listen() -> None:
            nonlocal said
            async for chunk in await client.chat.completions.create(model="m", messages=HI, stream=True):
                said += chunk.choices[0].delta.content or ""

        with pytest.raises(openai.APIError, match="Overloaded") as caught:
            await listen()
        assert said == "Hel" and caught.value.code == "overloaded_error"

    with_openai(work, messages_events(start(), *text_block(0, "Hel"), broken), chunk=CHUNK)


def test_openai_is_told_what_cannot_be_said() -> None:
    async def run() -> None:
        async with (
            backend(b"{}") as server,
            front(CHAT_TO_MESSAGES, server.url) as url,
            openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
        ):
            with pytest.raises(openai.BadRequestError, match="n cannot be translated") as caught:
                await client.chat.completions.create(model="m", messages=HI, n=2)
            assert caught.value.param == "n" and not server.calls

    asyncio.run(run())


def test_anthropic_reads_a_whole_answer() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}}
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "Hm", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}

    async def work(client: anthropic.AsyncAnthropic) -> None:
        answer = await client.messages.create(model="m", messages=HI, tools=TOOLS_MESSAGES, max_tokens=9)
        assert answer.stop_reason == "tool_use" and answer.role == "assistant" and answer.type == "message"
        thinking, text, use = answer.content
        assert thinking.type == "thinking" and thinking.thinking == "Hm"
        assert text.type == "text" and text.text == "Hello"
        assert use.type == "tool_use" and use.input == {"city": "Ulm"}
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (10, 12)
        assert answer.usage.cache_read_input_tokens == 100

    body = {"id": "chatcmpl-1", "model": "m", "choices": [choice], "usage": usage(110, 12, 100)["usage"]}
    asked = with_anthropic(work, encode(body))
    assert asked["max_tokens"] == 9 and asked["tools"][0]["function"]["name"] == "weather"


def test_anthropic_reads_a_stream() -> None:
    async def work(client: anthropic.AsyncAnthropic) -> None:
        async with client.messages.stream(
            model="m", messages=HI, tools=TOOLS_MESSAGES, max_tokens=9
        ) as stream:
            texts = [event.text async for event in stream if event.type == "text"]
            final = await stream.get_final_message()
        assert texts == ["Hello ", "wörld"] and final.stop_reason == "tool_use"
        thinking, text, first, second = final.content
        assert thinking.type == "thinking" and thinking.thinking == "Hm"
        assert text.type == "text" and text.text == "Hello wörld"
        assert first.type == "tool_use" and (first.id, first.input) == ("c0", {"city": "Ulm"})
        assert second.type == "tool_use" and (second.id, second.input) == ("c1", {})
        assert (final.usage.input_tokens, final.usage.output_tokens) == (10, 12)
        assert final.usage.cache_read_input_tokens == 100

    asked = with_anthropic(work, OPENAI_STREAM, chunk=CHUNK)
    assert asked["stream"] is True and asked["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_anthropic_reads_errors(status: int, error: type[anthropic.APIStatusError], stream: bool) -> None:
    async def work(client: anthropic.AsyncAnthropic) -> None:
        with pytest.raises(error, match="Why not") as caught:
            await client.messages.create(model="m", messages=HI, max_tokens=9, stream=stream)
        assert isinstance(caught.value.body, dict) and caught.value.body["type"] == "error"

    body = {"error": {"message": "Why not", "type": "some_error", "param": None, "code": status}}
    with_anthropic(work, encode(body), status)


def test_anthropic_reads_an_error_in_the_middle() -> None:
    broken = {"error": {"message": "Out of memory", "type": "server_error", "code": 500}}

    async def work(client: anthropic.AsyncAnthropic) -> None:
        said = ""

        async def listen() -> None:
            nonlocal said
            async with client.messages.stream(model="m", messages=HI, max_tokens=9) as stream:
                async for event in stream:
                    said += event.text if event.type == "text" else ""

        with pytest.raises(anthropic.APIStatusError, match="Out of memory"):
            await listen()
        assert said == "Hel"

    with_anthropic(work, chat_events({"content": "Hel"}, broken, done=False), chunk=CHUNK)


def test_anthropic_is_told_what_cannot_be_said() -> None:
    document: Any = [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    ]

    async def run() -> None:
        async with (
            backend(b"{}") as server,
            front(MESSAGES_TO_CHAT, server.url) as url,
            anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client,
        ):
            ask: Any = [{"role": "user", "content": document}]
            with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\].content\[0\] cannot"):
                await client.messages.create(model="m", max_tokens=9, messages=ask)
            assert not server.calls

    asyncio.run(run())
