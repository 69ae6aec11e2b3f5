"""A request for Anthropic messages as a chat completion request."""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import InvalidRequest
from .fields import MESSAGES, refusal
from .images import part_of
from .reading import copied, needed, read
from .shapes import Block, Lenient, Message

BACKEND = "chat completions"
LONGEST_USER = 64
"""Characters of ``user`` that OpenAI takes; it is a hint, so a longer one stays behind."""
ERROR = "Error: "
"""Begins the result of a tool that failed, as chat completions have no other way to say so."""
_UNSEEN = frozenset({"thinking", "redacted_thinking"})
"""Thinking of earlier turns: OpenAI refuses it and the templates of most models leave it out."""
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


class _Request(Lenient):
    model: str
    messages: list[Message]
    system: str | list[Block] | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None


def request_to_chat(body: bytes, *, official: bool = False) -> bytes:
    """``body`` for ``/v1/chat/completions``; see :meth:`Translation.request`."""
    request, fields = read(body, _Request, MESSAGES, BACKEND)
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": "system", "content": _text(request.system, "system")})
    for index, message in enumerate(request.messages):
        messages += _message(message, f"messages[{index}]")
    out: dict[str, Any] = {"model": request.model, "messages": messages}
    if request.max_tokens is not None:
        out["max_completion_tokens" if official else "max_tokens"] = request.max_tokens
    if request.stop_sequences:
        out["stop"] = request.stop_sequences
    out |= copied(fields, "temperature", "top_p")
    if not official:
        out |= copied(fields, "top_k")
    if request.stream is not None:
        out["stream"] = request.stream
        if request.stream:
            out["stream_options"] = {"include_usage": True}
    if request.tools:
        out["tools"] = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools)]
        if request.tool_choice is not None:
            out |= _choice(request.tool_choice)
    user = (request.metadata or {}).get("user_id")
    if isinstance(user, str) and 0 < len(user) <= LONGEST_USER:
        out["user"] = user
    out |= _effort_and_format(request.output_config or {})
    return msgspec.json.encode(out)


def _effort_and_format(config: dict[str, Any]) -> dict[str, Any]:
    out = {}
    if config.get("effort"):
        out["reasoning_effort"] = config["effort"]
    wanted = config.get("format")
    if wanted is not None:
        schema = wanted.get("schema") if isinstance(wanted, dict) else None
        if not isinstance(schema, dict):
            raise InvalidRequest("output_config.format.schema is missing.", param="output_config.format")
        named = {"name": "answer", "schema": schema, "strict": True}
        out["response_format"] = {"type": "json_schema", "json_schema": named}
    return out


def _text(content: str | list[Block], place: str) -> str:
    """System prompts as one string, which every server takes."""
    if isinstance(content, str):
        return content
    for index, block in enumerate(content):
        if block.type != "text":
            raise refusal(f"{place}[{index}]", f"it takes no {block.type!r} there", BACKEND)
    return "\n".join(block.text or "" for block in content)


def _message(message: Message, place: str) -> list[dict[str, Any]]:
    content = message.content
    if message.role == "system":
        return [{"role": "system", "content": _text(content, f"{place}.content")}]
    if message.role not in ("user", "assistant"):
        raise InvalidRequest(f"{place}.role must be user or assistant.", param=f"{place}.role")
    if isinstance(content, str):
        return [{"role": message.role, "content": content}]
    said = [block for block in content if block.type not in _UNSEEN]
    places = [f"{place}.content[{index}]" for index, b in enumerate(content) if b.type not in _UNSEEN]
    return _assistant(said, places) if message.role == "assistant" else _user(said, places)


def _assistant(blocks: list[Block], places: list[str]) -> list[dict[str, Any]]:
    text: list[str] = []
    calls: list[dict[str, Any]] = []
    for block, place in zip(blocks, places, strict=True):
        if block.type == "text":
            text.append(_text_of(block, place))
        elif block.type == "tool_use":
            given = {} if block.input is None else block.input
            function = {
                "name": needed(block.name, f"{place}.name"),
                "arguments": msgspec.json.encode(given).decode(),
            }
            calls.append({"id": needed(block.id, f"{place}.id"), "type": "function", "function": function})
        else:
            raise refusal(place, f"it takes no {block.type!r} there", BACKEND)
    if not text and not calls:
        return []
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text) if text else None}
    return [message | {"tool_calls": calls} if calls else message]


def _user(blocks: list[Block], places: list[str]) -> list[dict[str, Any]]:
    """Results first, each a message of its own, as they must follow the calls at once; then the rest."""
    results: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for block, place in zip(blocks, places, strict=True):
        if block.type == "tool_result":
            result, images = _result(block, place)
            results.append(result)
            shown += images
        else:
            parts.append(_part(block, place))
    parts = shown + parts
    if not parts:
        return results
    content = parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts
    return [*results, {"role": "user", "content": content}]


def _result(block: Block, place: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The tool's message, which is text, and its images, which only a user's message may hold."""
    id = needed(block.tool_use_id, f"{place}.tool_use_id")
    content = [Block(type="text", text=block.content)] if isinstance(block.content, str) else block.content
    parts = [_part(inner, f"{place}.content[{index}]") for index, inner in enumerate(content or ())]
    images = [part for part in parts if part["type"] != "text"]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    if images:
        images = [{"type": "text", "text": f"Images in the result of {id}:"}, *images]
        text = text or "The result is in the images that follow."
    if block.is_error:
        text = ERROR + text
    return {"role": "tool", "tool_call_id": id, "content": text}, images


def _part(block: Block, place: str) -> dict[str, Any]:
    if block.type == "text":
        return {"type": "text", "text": _text_of(block, place)}
    if block.type == "image":
        return part_of(block.source, place)
    raise refusal(place, f"it takes no {block.type!r} there", BACKEND)


def _text_of(block: Block, place: str) -> str:
    if block.text is None:
        raise InvalidRequest(f"{place}.text is missing.", param=place)
    return block.text


def _tool(tool: dict[str, Any], place: str) -> dict[str, Any]:
    kind = tool.get("type")
    if kind not in (None, "custom"):
        raise refusal(place, f"only Anthropic itself has the tool {kind!r}", BACKEND)
    function: dict[str, Any] = {"name": needed(tool.get("name"), f"{place}.name")}
    function["parameters"] = tool.get("input_schema") or {"type": "object", "properties": {}}
    return {"type": "function", "function": function | copied(tool, "description", "strict")}


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    kind = choice.get("type")
    out: dict[str, Any]
    if kind == "tool":
        name = needed(choice.get("name"), "tool_choice.name")
        out = {"tool_choice": {"type": "function", "function": {"name": name}}}
    elif isinstance(kind, str) and kind in _CHOICES:
        out = {"tool_choice": _CHOICES[kind]}
    else:
        raise InvalidRequest("tool_choice.type must be auto, any, tool or none.", param="tool_choice")
    if choice.get("disable_parallel_tool_use"):
        out["parallel_tool_calls"] = False
    return out
