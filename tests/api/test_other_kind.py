"""A whole answer where a stream was asked for, and a stream where a whole answer was.

In every dialect, as the openai and anthropic packages read them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest
from api.inside import LOOPS, Loop, run, running
from faults import Call, Faults

from bago_jupyter.backends import HttpBackend
from bago_jupyter.backends.dialects import ENDPOINTS
from bago_jupyter.backends.reshaping import as_events

pytestmark = pytest.mark.parametrize("loop", LOOPS)
HI: Any = [{"role": "user", "content": "hi"}]
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
CALLS = [
    {"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"a":1}'}},
    {"id": "c2", "type": "function", "function": {"name": "v", "arguments": "{}"}},
]
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "one two",
                "reasoning_content": "hm",
                "tool_calls": CALLS,
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": USAGE,
}
COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "text": "one two", "finish_reason": "length", "logprobs": None}],
    "usage": USAGE,
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "one two"},
        {"type": "tool_use", "id": "t1", "name": "w", "input": {"a": 1}},
        {"type": "tool_use", "id": "t2", "name": "v", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 2},
}
TEXT = {"type": "output_text", "text": "one two", "annotations": [], "logprobs": []}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "error": None,
    "output": [
        {"type": "message", "id": "i1", "role": "assistant", "status": "completed", "content": [TEXT]},
        {
            "type": "function_call",
            "id": "i2",
            "call_id": "c",
            "name": "w",
            "arguments": "{}",
            "status": "completed",
        },
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": None,
}


def server(answer: dict[str, Any], *, cut: bool = False) -> Callable[[Call], Awaitable[None]]:
    """Answers in the kind that was not asked for; ``cut`` leaves out the end of a stream."""

    async def script(call: Call) -> None:
        if json.loads(call.body)["stream"]:
            await call.json(json.dumps(answer).encode())
            return
        path = call.head.split(b" ", 2)[1]
        events = as_events(json.dumps(answer).encode(), ENDPOINTS[path].dialect)
        if cut:
            events = events[: len(events) // 2]
        await call.sse_head()
        for start in range(0, len(events), 50):
            await call.chunk(events[start : start + 50])
        await call.raw(b"0\r\n\r\n")

    return script


def through_a_node(
    loop: Loop, answer: dict[str, Any], work: Callable[[str], Awaitable[None]], **how: bool
) -> None:
    async def main() -> None:
        async with (
            Faults(server(answer, **how)) as up,
            running(HttpBackend("up", up.url, ["m"])) as node,
        ):
            await work(f"http://127.0.0.1:{node.file.port}")

    run(loop, main())


def test_chat(loop: Loop) -> None:
    async def work(url: str) -> None:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
            async with client.chat.completions.stream(model="m", messages=HI) as stream:
                streamed = await stream.get_final_completion()
            whole = await client.chat.completions.create(model="m", messages=HI, stream=False)
            for told in (streamed, whole):
                (choice,) = told.choices
                assert choice.message.content == "one two" and choice.finish_reason == "tool_calls"
                calls = [call for call in choice.message.tool_calls or () if call.type == "function"]
                assert [(c.id, c.function.name, c.function.arguments) for c in calls] == [
                    ("c1", "w", '{"a":1}'),
                    ("c2", "v", "{}"),
                ]
            assert (whole.model_dump()["choices"][0]["message"])["reasoning_content"] == "hm"
            assert whole.usage is not None and whole.usage.total_tokens == 7

    through_a_node(loop, CHAT, work)


def test_completions(loop: Loop) -> None:
    async def work(url: str) -> None:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
            stream = await client.completions.create(model="m", prompt="hi", stream=True)
            chunks = [chunk async for chunk in stream]
            assert [(c.choices[0].text, c.choices[0].finish_reason) for c in chunks] == [
                ("one two", "length")
            ]
            whole = await client.completions.create(model="m", prompt="hi", stream=False)
            assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("one two", "length")

    through_a_node(loop, COMPLETION, work)


def test_messages(loop: Loop) -> None:
    async def work(url: str) -> None:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
            async with client.messages.stream(model="m", messages=HI, max_tokens=9) as stream:
                said = [text async for text in stream.text_stream]
                streamed = await stream.get_final_message()
            assert said == ["one two"]
            whole = await client.messages.create(model="m", messages=HI, max_tokens=9, stream=False)
            for told in (streamed, whole):
                assert [block.model_dump(exclude_none=True) for block in told.content] == MESSAGE["content"]
                assert told.stop_reason == "tool_use"
                assert (told.usage.input_tokens, told.usage.output_tokens) == (5, 2)

    through_a_node(loop, MESSAGE, work)


def test_responses(loop: Loop) -> None:
    async def work(url: str) -> None:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
            async with client.responses.stream(model="m", input="hi") as stream:
                said = [event.delta async for event in stream if event.type == "response.output_text.delta"]
                streamed = await stream.get_final_response()
            assert said == ["one two"]
            whole = await client.responses.create(model="m", input="hi", stream=False)
            for told in (streamed, whole):
                assert told.output_text == "one two" and told.status == "completed"
                assert [item.type for item in told.output] == ["message", "function_call"]

    through_a_node(loop, RESPONSE, work)


def test_half_a_stream_is_no_whole_answer(loop: Loop) -> None:
    async def work(url: str) -> None:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
            with pytest.raises(openai.InternalServerError, match=r"in the middle|cannot be read"):
                await client.chat.completions.create(model="m", messages=HI, stream=False)

    through_a_node(loop, CHAT, work, cut=True)
