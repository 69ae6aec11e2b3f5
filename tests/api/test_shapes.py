"""Every answer of the table, as the openai and anthropic packages read it through a node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pytest
from shapes.fronted import fronted
from shapes.server import ShapeServer
from shapes.shape import Shape
from shapes.table import TABLE

from bago_jupyter.client import NodeClient

HI: Any = [{"role": "user", "content": "hi"}]
EACH = pytest.mark.parametrize("shape", TABLE.values(), ids=TABLE)
SILENT = {"empty-object", "no-choice", "nothing-but-usage"}
"""Proper answers without a word, which a chat client is given as they are."""
RAW = {
    "empty-data",
    "event-id-and-retry-lines",
    "a-message-for-a-delta",
    "surrogates-in-two-events",
    "error-of-old-vllm-in-the-middle",
    "half-an-event-at-the-end",
    "garbage-in-the-middle",
    "chunks-in-a-list",
    "chunks-of-a-completion",
    "choices-an-object",
    "a-message-that-grows",
    "messages-in-pieces",
    "done-in-small-letters",
    "text-that-is-no-json",
    "a-remark-in-error",
}
"""Streams that the openai package does not read, from whomever it gets them: the node passes them on."""
STREAM = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@dataclass
class Heard:
    """What a client was given."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    error: Exception | None = None


@pytest.fixture(scope="module")
def server() -> Iterator[ShapeServer]:
    with ShapeServer(TABLE) as running:
        yield running


@pytest.fixture(scope="module")
def node(server: ShapeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeClient]:
    """A node with a connection to the server."""
    with fronted(server, tmp_path_factory.mktemp("shapes") / "home") as made:
        yield made.client


@pytest.fixture(scope="module")
def chat(node: NodeClient) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{node.node.port}/v1", api_key="k", max_retries=0, timeout=60
    ) as client:
        yield client


@pytest.fixture(scope="module")
def claude(node: NodeClient) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=f"http://127.0.0.1:{node.node.port}", api_key="k", max_retries=0, timeout=60
    ) as client:
        yield client


def texts(content: Any) -> str:
    """The text of what the openai package passes on as it is."""
    if isinstance(content, list):
        return "".join(texts(part) for part in content)
    if isinstance(content, dict):
        return texts(content.get("text")) + texts(content.get("value"))
    return "" if content is None else str(content)


def thinking(content: Any) -> str:
    parts = content if isinstance(content, list) else [content]
    return "".join(texts(part.get("thinking")) for part in parts if isinstance(part, dict))


def listen(told: Any, heard: Heard) -> None:
    """Add what one message or delta says."""
    if told is None:
        return
    extra = told.model_extra or {}
    heard.text += texts(told.content) + texts(told.refusal)
    heard.reasoning += texts(extra.get("reasoning_content") or extra.get("reasoning"))
    heard.reasoning += thinking(told.content)


def by_openai(client: openai.OpenAI, shape: Shape, stream: bool) -> Heard:
    heard = Heard()
    try:
        answer: Any = client.chat.completions.create(model=shape.name, messages=HI, stream=stream)
        for told in answer if stream else [answer]:
            for choice in told.choices or ():
                listen(choice.delta if stream else choice.message, heard)
    except openai.OpenAIError as error:
        heard.error = error
    return heard


def by_anthropic(client: anthropic.Anthropic, shape: Shape, stream: bool) -> Heard:
    heard = Heard()
    try:
        if stream:
            with client.messages.stream(model=shape.name, messages=HI, max_tokens=99) as answer:
                for event in answer:
                    heard.text += event.text if event.type == "text" else ""
                    heard.reasoning += event.thinking if event.type == "thinking" else ""
                content = answer.get_final_message().content
        else:
            content = client.messages.create(model=shape.name, messages=HI, max_tokens=99).content
            heard.text = "".join(block.text for block in content if block.type == "text")
            heard.reasoning = "".join(block.thinking for block in content if block.type == "thinking")
        heard.calls = [(block.name, block.input) for block in content if block.type == "tool_use"]
    except anthropic.AnthropicError as error:
        heard.error = error
    return heard


def compare(shape: Shape, heard: Heard, stream: bool) -> None:
    if shape.fails is not None:
        assert heard.error is not None, heard
        said = str(heard.error)
        assert shape.fails in said or "paused after failures" in said  # it was asked for before
        if stream:
            assert heard.text == shape.text
        return
    assert heard.error is None
    assert (heard.text, heard.reasoning) == (shape.text, shape.reasoning)


@STREAM
@EACH
def test_openai(chat: openai.OpenAI, shape: Shape, stream: bool) -> None:
    if shape.name in RAW and stream:
        pytest.skip("the package reads no such stream")
    if shape.name in SILENT and (stream or shape.asked == "whole"):
        pytest.skip("it is passed on as it is")
    compare(shape, by_openai(chat, shape, stream), stream)


@STREAM
@EACH
def test_anthropic(claude: anthropic.Anthropic, shape: Shape, stream: bool) -> None:
    heard = by_anthropic(claude, shape, stream)
    compare(shape, heard, stream)
    if shape.fails is None:
        assert heard.calls == [(call.name, call.arguments) for call in shape.calls]
