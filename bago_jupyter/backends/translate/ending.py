"""How an answer ended and what it cost: ``finish_reason`` and ``stop_reason``, and both usages."""

from __future__ import annotations

import uuid
from typing import Any

from ...lenient import MOST
from .shapes import ChatUsage, MessagesUsage

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Anthropic's ``stop_reason`` as ``finish_reason``."""
STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""``finish_reason`` as Anthropic's ``stop_reason``."""


def stop_reason(finish: str | None, *, tools: bool, sequence: object = None) -> tuple[str, str | None]:
    """Anthropic's ``(stop_reason, stop_sequence)``.

    Some servers finish a tool call with ``stop``, where a client would not go on; vLLM names the ``sequence``
    that was met, others do not tell it from the end of a turn.
    """
    if tools and finish in (None, "stop"):
        return "tool_use", None
    if finish == "stop" and isinstance(sequence, str):
        return "stop_sequence", sequence
    return STOP.get(finish or "stop", "end_turn"), None


def chat_usage(usage: MessagesUsage) -> dict[str, Any]:
    """Chat's usage: its prompt counts cached tokens in, which Anthropic counts apart."""
    read, written = _count(usage.cache_read_input_tokens), _count(usage.cache_creation_input_tokens)
    prompt = _count(usage.input_tokens) + read + written
    completion = _count(usage.output_tokens)
    told: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
    }
    details = usage.output_tokens_details
    if details is not None and details.thinking_tokens is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": _count(details.thinking_tokens)}
    return told


def messages_usage(usage: ChatUsage | None) -> dict[str, Any]:
    """Anthropic's usage; all 0 where the backend tells none."""
    usage = usage or ChatUsage()
    prompt = usage.prompt_tokens_details
    read = _count(prompt.cached_tokens) if prompt is not None else 0
    written = _count(prompt.cache_write_tokens) if prompt is not None else 0
    told: dict[str, Any] = {
        "input_tokens": max(0, _count(usage.prompt_tokens) - read - written),
        "output_tokens": _count(usage.completion_tokens),
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
    }
    details = usage.completion_tokens_details
    if details is not None and details.reasoning_tokens is not None:
        told["output_tokens_details"] = {"thinking_tokens": _count(details.reasoning_tokens)}
    return told


def _count(told: int | None) -> int:
    """``told`` tokens, none where no answer can have so many."""
    return told if told is not None and 0 <= told <= MOST else 0


def merged(old: MessagesUsage, new: MessagesUsage | None) -> MessagesUsage:
    """``old`` with the counts of ``new``, which are totals, where it has them."""
    if new is None:
        return old
    return MessagesUsage(
        input_tokens=_last(old.input_tokens, new.input_tokens),
        output_tokens=_last(old.output_tokens, new.output_tokens),
        cache_read_input_tokens=_last(old.cache_read_input_tokens, new.cache_read_input_tokens),
        cache_creation_input_tokens=_last(old.cache_creation_input_tokens, new.cache_creation_input_tokens),
        output_tokens_details=new.output_tokens_details or old.output_tokens_details,
    )


def _last(old: int | None, new: int | None) -> int | None:
    return old if new is None else new


def chat_id(id: str | None) -> str:
    """An id of chat completions that keeps what is particular of Anthropic's."""
    return f"chatcmpl-{(id or uuid.uuid4().hex).removeprefix('msg_')}"


def messages_id(id: str | None) -> str:
    """An id of Anthropic messages that keeps what is particular of OpenAI's."""
    return f"msg_{(id or uuid.uuid4().hex).removeprefix('chatcmpl-')}"
