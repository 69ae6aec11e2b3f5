from __future__ import annotations

from typing import Any

import pytest
from backends.translate.telling import PIXEL, decode, encode

from bago_jupyter.backends.translate import MESSAGES_TO_CHAT
from bago_jupyter.errors import InvalidRequest, Unsupported

HI = {"role": "user", "content": "Hi"}
TOOL = {"name": "weather", "description": "Tells it", "input_schema": {"type": "object"}, "cache_control": {}}
LINK = {"type": "image", "source": {"type": "url", "url": "http://x/a.png"}}
LINK_PART = {"type": "image_url", "image_url": {"url": "http://x/a.png"}}


def told(messages: list[dict[str, Any]] | None = None, *, official: bool = False, **fields: Any) -> Any:
    body = {"model": "m", "max_tokens": 9, "messages": [HI] if messages is None else messages} | fields
    return decode(MESSAGES_TO_CHAT.request(encode(body), official=official))


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def result(id: str, content: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "tool_result",
        "tool_use_id": id,
        **({} if content is None else {"content": content}),
        **more,
    }


def test_a_plain_question() -> None:
    assert MESSAGES_TO_CHAT.path == b"/v1/chat/completions"
    assert told() == {"model": "m", "max_tokens": 9, "messages": [HI]}


@pytest.mark.parametrize("bound", [16.0, 16])
def test_a_bound_is_any_json_number(bound: float) -> None:
    got = told(max_tokens=bound, top_k=40.0, temperature=1.0)
    assert (got["max_tokens"], got["top_k"], got["temperature"]) == (16, 40, 1)
    assert all(type(got[name]) is int for name in ("max_tokens", "top_k"))
    with pytest.raises(InvalidRequest):
        told(max_tokens=16.5)


def test_system_prompts() -> None:
    blocks = [text("One") | {"cache_control": {"type": "ephemeral"}}, text("Two")]
    out = told([HI, {"role": "system", "content": "Late"}], system=blocks)
    assert out["messages"] == [
        {"role": "system", "content": "One\nTwo"},
        HI,
        {"role": "system", "content": "Late"},
    ]
    assert told(system="One")["messages"][0] == {"role": "system", "content": "One"}
    assert told(system="")["messages"] == [HI]


def test_parts_and_images() -> None:
    encoded = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    (message,) = told([user(text("See"), encoded, LINK)])["messages"]
    assert message["content"] == [
        text("See"),
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        LINK_PART,
    ]
    assert told([user(text("Hi"))])["messages"] == [HI]


def test_calls_of_the_assistant() -> None:
    use = {"type": "tool_use", "id": "c", "name": "weather", "input": {"city": "Ulm"}}
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    out = told(
        [
            HI,
            {"role": "assistant", "content": [thinking, text("Let "), text("me"), use]},
            user(result("c", "rain")),
            {"role": "assistant", "content": [hidden, use | {"input": {}}]},
            {"role": "assistant", "content": [thinking]},
        ]
    )
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}}
    assert out["messages"][1:] == [
        {"role": "assistant", "content": "Let me", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [call | {"function": {"name": "weather", "arguments": "{}"}}],
        },
    ]


def test_results_come_first_and_their_images_after_them() -> None:
    out = told(
        [
            user(
                text("Well?"),
                result("a", [text("1"), text("2")]),
                result("b", "broke", is_error=True),
                result("c", [LINK]),
                result("d"),
            )
        ]
    )
    assert out["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "1\n2"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: broke"},
        {"role": "tool", "tool_call_id": "c", "content": "The result is in the images that follow."},
        {"role": "tool", "tool_call_id": "d", "content": ""},
        {
            "role": "user",
            "content": [text("Images in the result of c:"), LINK_PART, text("Well?")],
        },
    ]


def test_tools() -> None:
    (tool,) = told(tools=[TOOL])["tools"]
    function = {"name": "weather", "description": "Tells it", "parameters": {"type": "object"}}
    assert tool == {"type": "function", "function": function}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any", "disable_parallel_tool_use": False}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
            {
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
                "parallel_tool_calls": False,
            },
        ),
    ],
)
def test_tool_choice(choice: Any, expected: dict[str, Any]) -> None:
    out = told(tools=[TOOL], tool_choice=choice)
    assert {name: out[name] for name in out if name in ("tool_choice", "parallel_tool_calls")} == expected
    assert "tool_choice" not in told(tool_choice=choice)


SCHEMA = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stop_sequences": ["A"]}, {"stop": ["A"]}),
        ({"stop_sequences": []}, {}),
        ({"temperature": 0.5, "top_p": 0.9, "top_k": 3}, {"temperature": 0.5, "top_p": 0.9, "top_k": 3}),
        ({"metadata": {"user_id": "u"}}, {"user": "u"}),
        ({"metadata": {"user_id": "u" * 65}}, {}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stream": False}, {"stream": False}),
        ({"thinking": {"type": "adaptive"}, "cache_control": {}, "service_tier": "auto"}, {}),
        ({"output_config": {"effort": "max"}}, {"reasoning_effort": "max"}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
                }
            },
        ),
        ({"container": None, "mcp_servers": []}, {}),
    ],
)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert told(**fields) == {"model": "m", "max_tokens": 9, "messages": [HI]} | expected


def test_openai_itself_names_the_bound_otherwise() -> None:
    out = told(official=True, top_k=3, top_p=0.5)
    assert out == {"model": "m", "max_completion_tokens": 9, "messages": [HI], "top_p": 0.5}


@pytest.mark.parametrize(
    "name", ["container", "mcp_servers", "inference_geo", "user_profile_id", "fallbacks"]
)
def test_what_cannot_be_said_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(
        Unsupported, match=rf"^{name} cannot be translated .*chat completions: .+\.$"
    ) as caught:
        told(**{name: "x"})
    assert caught.value.param == name


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ([user(text("a"), {"type": "document", "source": {}})], "messages[0].content[1]"),
        ([user(result("c", [{"type": "search_result"}]))], "messages[0].content[0].content[0]"),
        (
            [user({"type": "image", "source": {"type": "file", "file_id": "f"}})],
            "messages[0].content[0].source",
        ),
        ([HI, {"role": "assistant", "content": [{"type": "server_tool_use"}]}], "messages[1].content[0]"),
        ([HI, {"role": "system", "content": [LINK]}], "messages[1].content[0]"),
        ([user({"type": "thinking", "thinking": "x"}, {"type": "document"})], "messages[0].content[1]"),
    ],
)
def test_content_that_cannot_be_said_is_refused_by_its_place(messages: Any, place: str) -> None:
    with pytest.raises(Unsupported) as caught:
        told(messages)
    assert caught.value.param == place


def test_tools_of_anthropic_itself_are_refused() -> None:
    with pytest.raises(Unsupported, match="web_search_20260318") as caught:
        told(tools=[TOOL, {"type": "web_search_20260318", "name": "web_search"}])
    assert caught.value.param == "tools[1]"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"role": "tool", "content": "x"}], "role must be"),
        ([user({"type": "text"})], "text is missing"),
        ([user(result(""))], "tool_use_id is missing"),
        ([{"role": "user"}], "content"),
        ([user({"type": "image", "source": {"type": "base64"}})], "media_type"),
    ],
)
def test_what_is_wrong_is_said(messages: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        told(messages)
    assert said in caught.value.message


@pytest.mark.parametrize("kind", [{}, [], 7, None, "auto "])
def test_a_choice_of_tools_of_no_known_type_is_refused(kind: Any) -> None:
    with pytest.raises(InvalidRequest, match="auto, any, tool or none"):
        told(tools=[{"name": "f", "input_schema": {}}], tool_choice={"type": kind})
