"""Shapes of both dialects, as far as they are translated; what is not named here is skipped.

OpenAI: https://platform.openai.com/docs/api-reference/chat; Anthropic: https://platform.claude.com/docs/en/api/messages.
Answers are read leniently: servers that speak a dialect leave out much of it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

ClientDialect = Literal["chat", "messages"]


class Lenient(msgspec.Struct, gc=False):
    """Base of what is only read."""


# -- chat completions


class Function(Lenient):
    name: str | None = None
    arguments: str | None = None


class ToolCall(Lenient):
    """A tool call, whole or as a piece of one in a stream."""

    id: str | None = None
    index: int | None = None
    function: Function | None = None


class Part(Lenient):
    """One piece of a message's content."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: Any = None


class ChatMessage(Lenient):
    role: str
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    function_call: Any = None
    audio: Any = None


class PromptDetails(Lenient):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(Lenient):
    reasoning_tokens: int | None = None


class ChatUsage(Lenient):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class ChatOutput(Lenient):
    """The message of an answer, or the delta of one."""

    content: Any = None
    """A text; with Mistral's reasoning models, parts that are text or thinking."""
    reasoning_content: str | None = None
    """llama-server, older vLLM, DeepSeek."""
    reasoning: str | None = None
    """vLLM, OpenRouter."""
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(Lenient):
    index: int = 0
    message: ChatOutput | None = None
    delta: ChatOutput | None = None
    text: Any = None
    """Of completions, which some servers send in place of a message."""
    finish_reason: str | None = None
    stop_reason: Any = None
    """vLLM: the stop sequence that was met."""
    error: Any = None
    """OpenRouter: what became of this choice."""


class ChatAnswer(Lenient):
    """An answer, whole or one event of it."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] = []
    usage: ChatUsage | None = None
    error: Any = None
    object: Any = None
    """``error`` where all of it is one: vLLM, before 0.10."""


# -- Anthropic messages


class Block(Lenient):
    """A content block of a request."""

    type: str
    text: str | None = None
    source: Any = None
    id: str | None = None
    name: str | None = None
    input: Any = None
    tool_use_id: str | None = None
    content: str | list[Block] | None = None
    is_error: bool | None = None


class SaidBlock(Lenient):
    """A content block of an answer."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None


class Message(Lenient):
    role: str
    content: str | list[Block]


class ThinkingDetails(Lenient):
    thinking_tokens: int | None = None


class MessagesUsage(Lenient):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: ThinkingDetails | None = None


class MessagesAnswer(Lenient):
    id: str | None = None
    model: str | None = None
    content: list[SaidBlock] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: MessagesUsage | None = None


class Delta(Lenient):
    """Of a block, or (``stop_reason``) of the message."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class MessagesEvent(Lenient):
    type: str = ""
    index: int = 0
    message: MessagesAnswer | None = None
    content_block: SaidBlock | None = None
    delta: Delta | None = None
    usage: MessagesUsage | None = None
    error: Any = None
