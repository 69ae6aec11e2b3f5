"""A chat that goes to Anthropic's words and back says the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from backends.translate.telling import PIXEL, decode, encode
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.backends.translate import CHAT_TO_MESSAGES, MESSAGES_TO_CHAT

texts = st.text(min_size=1, max_size=20)
images = st.sampled_from([f"data:image/png;base64,{PIXEL}", "https://example.org/a.png"]).map(
    lambda url: {"type": "image_url", "image_url": {"url": url}}
)
parts = st.lists(texts.map(lambda text: {"type": "text", "text": text}) | images, min_size=1, max_size=3)
users = st.builds(lambda content: {"role": "user", "content": content}, texts | parts)
systems = st.builds(
    lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "developer"]), texts
)
arguments = st.dictionaries(
    texts, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts, max_size=3
)


@st.composite
def answers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """An assistant's message, with the results of its calls."""
    given = draw(st.lists(arguments, max_size=3))
    ids = [f"call_{draw(st.uuids())}" for _ in given]
    message: dict[str, Any] = {"role": "assistant", "content": draw(texts)}
    if given:
        calls = [
            {"id": id, "type": "function", "function": {"name": "f", "arguments": encode(value).decode()}}
            for id, value in zip(ids, given, strict=True)
        ]
        message |= {"content": draw(st.none() | texts), "tool_calls": calls}
    return [message, *({"role": "tool", "tool_call_id": id, "content": draw(texts)} for id in ids)]


turns = st.lists(users.map(lambda message: [message]) | answers(), min_size=1, max_size=6)


def said(messages: list[dict[str, Any]]) -> list[Any]:
    """What a conversation says, without how it is cut into messages."""
    out: list[Any] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role in ("system", "developer"):
            continue
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or []:
            told = part["text"] if part["type"] == "text" else part["image_url"]["url"]
            if role == "assistant" and out and out[-1][0] == "assistant" and part["type"] == "text":
                out[-1] = (role, out[-1][1] + told)  # one answer, whatever its pieces
            else:
                out.append((role, message.get("tool_call_id"), told) if role == "tool" else (role, told))
        for call in message.get("tool_calls", ()):
            function = call["function"]
            out.append(("call", call["id"], function["name"], decode(function["arguments"].encode())))
    return out


def in_order(entries: list[Any]) -> list[Any]:
    """Text before calls inside a turn of the assistant, which is all the order that chat completions know."""
    out: list[Any] = []
    for entry in entries:
        is_text = entry[0] == "assistant"
        at = len(out)
        while is_text and at and out[at - 1][0] == "call":
            at -= 1
        if is_text and at and out[at - 1][0] == "assistant":
            out[at - 1] = ("assistant", out[at - 1][1] + entry[1])
        else:
            out.insert(at, entry)
    return out


@given(st.lists(systems, max_size=2), turns)
def test_roles_texts_and_calls_survive(first: list[dict[str, Any]], conversation: Any) -> None:
    messages = [*first, *(message for turn in conversation for message in turn)]
    body = encode({"model": "m", "messages": messages, "max_tokens": 5, "stop": ["x"], "temperature": 0.5})
    there = decode(CHAT_TO_MESSAGES.request(body))
    back = decode(MESSAGES_TO_CHAT.request(encode(there)))
    roles = [message["role"] for message in there["messages"]]
    assert all(one != other for one, other in pairwise(roles))
    assert in_order(said(back["messages"])) == in_order(said(messages))
    system = [message["content"] for message in back["messages"] if message["role"] == "system"]
    assert system == (["\n".join(message["content"] for message in first)] if first else [])
    fields = {"model": "m", "max_tokens": 5, "stop": ["x"], "temperature": 0.5}
    assert {name: value for name, value in back.items() if name != "messages"} == fields
