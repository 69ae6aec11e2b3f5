from __future__ import annotations

from typing import Any

import pytest
from backends.translate.telling import PIXEL, decode, encode

from bago_jupyter.backends.translate import CHAT_TO_MESSAGES
from bago_jupyter.backends.translate.chat_request import DEFAULT_MAX_TOKENS, tool_id
from bago_jupyter.errors import InvalidRequest, Unsupported

HI = {"role": "user", "content": "Hi"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells it",
        "parameters": {"properties": {"city": {"type": "string"}}},
        "strict": True,
    },
}


def told(messages: list[dict[str, Any]] | None = None, *, official: bool = False, **fields: Any) -> Any:
    body = {"model": "m", "messages": [HI] if messages is None else messages} | fields
    return decode(CHAT_TO_MESSAGES.request(encode(body), official=official))


def calls(*names: str) -> dict[str, Any]:
    made = [
        {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": '{"city":"Ulm"}'}}
        for index, name in enumerate(names)
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}


def test_a_plain_question() -> None:
    assert CHAT_TO_MESSAGES.path == b"/v1/messages"
    assert told() == {"model": "m", "max_tokens": DEFAULT_MAX_TOKENS, "messages": [HI]}


def test_system_and_developer_become_the_system_prompt() -> None:
    parts = [{"type": "text", "text": "Second"}, {"type": "text", "text": "Third"}]
    out = told(
        [
            {"role": "system", "content": "First"},
            {"role": "developer", "content": parts},
            HI,
            {"role": "system", "content": "Late"},
        ]
    )
    assert out["system"] == "First\nSecond\nThird\nLate" and out["messages"] == [HI]


def test_turns_of_one_role_are_merged_and_empty_ones_left_out() -> None:
    out = told(
        [
            HI,
            {"role": "user", "content": [{"type": "text", "text": "there"}, {"type": "text", "text": ""}]},
            {"role": "assistant", "content": ""},
            {"role": "assistant", "content": "Yes", "refusal": None},
            {
                "role": "assistant",
                "content": [{"type": "refusal", "refusal": "No"}],
                "reasoning_content": "hm",
            },
        ]
    )
    assert out["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Yes"}, {"type": "text", "text": "No"}]},
    ]


def test_images() -> None:
    urls = [
        f"data:image/jpg;base64,{PIXEL}",
        "https://example.org/a.png",
        f"DATA:image/png;x=y;base64,{PIXEL}",
    ]
    parts = [{"type": "image_url", "image_url": {"url": url, "detail": "low"}} for url in urls]
    sources = [
        part["source"] for part in told([{"role": "user", "content": parts}])["messages"][0]["content"]
    ]
    assert sources == [
        {"type": "base64", "media_type": "image/jpeg", "data": PIXEL},
        {"type": "url", "url": "https://example.org/a.png"},
        {"type": "base64", "media_type": "image/png", "data": PIXEL},
    ]


def test_calls_and_results_in_their_order() -> None:
    image = {"type": "image_url", "image_url": {"url": "http://x/a.png"}}
    out = told(
        [
            HI,
            calls("weather", "time"),
            {"role": "user", "content": "Wait"},
            {"role": "tool", "tool_call_id": "c0", "content": "rain"},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "noon"}, image]},
        ],
        tools=[WEATHER],
    )
    assistant, user = out["messages"][1:]
    assert assistant["content"] == [
        {"type": "tool_use", "id": "c0", "name": "weather", "input": {"city": "Ulm"}},
        {"type": "tool_use", "id": "c1", "name": "time", "input": {"city": "Ulm"}},
    ]
    assert user["role"] == "user" and user["content"] == [
        {"type": "tool_result", "tool_use_id": "c0", "content": "rain"},
        {
            "type": "tool_result",
            "tool_use_id": "c1",
            "content": [
                {"type": "text", "text": "noon"},
                {"type": "image", "source": {"type": "url", "url": "http://x/a.png"}},
            ],
        },
        {"type": "text", "text": "Wait"},
    ]


def test_ids_that_anthropic_refuses_are_replaced_alike_in_call_and_result() -> None:
    assert tool_id("call_1-a") == "call_1-a"
    odd = ["functions.weather:0", "functions.weather_0", "ä", "x y"]
    assert len({tool_id(id) for id in odd}) == len(odd)
    call = calls("weather")
    call["tool_calls"][0]["id"] = odd[0]
    out = told([HI, call, {"role": "tool", "tool_call_id": odd[0], "content": ""}])
    use, result = out["messages"][1]["content"][0], out["messages"][2]["content"][0]
    assert use["id"] == result["tool_use_id"] != odd[0] and "content" not in result


def test_tools() -> None:
    (tool,) = told(tools=[WEATHER])["tools"]
    assert tool == {
        "name": "weather",
        "description": "Tells it",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": True,
    }
    bare = {"type": "function", "function": {"name": "now"}}
    assert told(tools=[bare])["tools"] == [{"name": "now", "input_schema": {"type": "object"}}]


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
            {"type": "tool", "name": "weather"},
        ),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_tool_choice(fields: dict[str, Any], choice: Any) -> None:
    assert told(tools=[WEATHER], **fields).get("tool_choice") == choice
    assert "tool_choice" not in told(**fields)  # there is nothing to choose


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"max_tokens": -1}, {"max_tokens": DEFAULT_MAX_TOKENS}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["A", "B"]}, {"stop_sequences": ["A", "B"]}),
        ({"temperature": 0.5, "top_p": 0.9, "top_k": 3}, {"temperature": 0.5, "top_p": 0.9, "top_k": 3}),
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"safety_identifier": "s"}, {"metadata": {"user_id": "s"}}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"reasoning_effort": "high"}, {"output_config": {"effort": "high"}}),
        ({"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"response_format": {"type": "text"}}, {}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": 1}}}},
            {"output_config": {"format": {"type": "json_schema", "schema": {"a": 1}}}},
        ),
        ({"seed": 1, "store": True, "metadata": {"a": "b"}, "service_tier": "auto"}, {}),
        ({"n": 1, "logprobs": False, "frequency_penalty": 0.0, "logit_bias": {}, "modalities": ["text"]}, {}),
        ({"grammar": None, "audio": None}, {}),
    ],
)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    base = {"model": "m", "max_tokens": DEFAULT_MAX_TOKENS, "messages": [HI]}
    assert told(**fields) == base | expected


def test_anthropic_itself_takes_no_sampling() -> None:
    out = told(official=True, temperature=0.5, top_p=0.9, top_k=3, stop="END")
    assert set(out) == {"model", "max_tokens", "messages", "stop_sequences"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"5": 1}),
        ("frequency_penalty", 0.5),
        ("presence_penalty", -1),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "x"}),
        ("functions", [{"name": "f"}]),
        ("response_format", {"type": "json_object"}),
        ("web_search_options", {}),
        ("grammar", "root ::= x"),
    ],
)
def test_what_cannot_be_said_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(
        Unsupported, match=rf"^{name} cannot be translated .*Anthropic messages: .+\.$"
    ) as caught:
        told(**{name: value})
    assert caught.value.param == name


AUDIO = {"type": "input_audio", "input_audio": {}}


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, AUDIO]}], "messages[0].content[1]"),
        ([{"role": "user", "content": [{"type": "file", "file": {}}]}], "messages[0].content[0]"),
        ([HI, {"role": "function", "name": "f", "content": "x"}], "messages[1].role"),
        ([HI, {"role": "assistant", "function_call": {}}], "messages[1].function_call"),
        (
            [HI, {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom"}]}],
            "messages[1].tool_calls[0]",
        ),
        (
            [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}],
            "messages[0].content[0]",
        ),
    ],
)
def test_content_that_cannot_be_said_is_refused_by_its_place(messages: Any, place: str) -> None:
    with pytest.raises(Unsupported) as caught:
        told(messages)
    assert caught.value.param == place and caught.value.message.startswith(place)


def bad_call(arguments: str) -> list[dict[str, Any]]:
    call = calls("weather")
    call["tool_calls"][0]["function"]["arguments"] = arguments
    return [HI, call]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not valid JSON"),
        (b'{"messages": "\xff"}', "not valid JSON"),
        (b"[]", "no JSON object"),
        (encode({"model": "m"}), "messages"),
        (encode({"model": "m", "messages": []}), "no message of a user"),
        (encode({"model": "m", "messages": [{"role": "user", "content": 5}]}), "messages"),
        (encode({"model": "m", "messages": bad_call("[1]")}), "tool_calls[0].function.arguments"),
        (encode({"model": "m", "messages": bad_call("{")}), "tool_calls[0].function.arguments"),
        (
            encode({"model": "m", "messages": [HI, {"role": "tool", "content": "x"}]}),
            "tool_call_id is missing",
        ),
        (encode({"model": "m", "messages": [HI], "tools": [{"type": "function", "function": {}}]}), "name"),
    ],
)
def test_what_is_wrong_is_said(body: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CHAT_TO_MESSAGES.request(body)
    assert said in caught.value.message and caught.value.status == 400


@pytest.mark.parametrize(
    "url", [None, "ftp://x/a.png", "data:image/png,abc", "data:;base64,abc", "data:image/png"]
)
def test_images_that_are_none(url: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[0\]\.content\[0\]"):
        told([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])
