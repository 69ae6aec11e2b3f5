"""A chat completion request as a request for Anthropic messages."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ...errors import InvalidRequest
from .fields import CHAT, refusal
from .images import source_of
from .reading import copied, needed, read
from .shapes import ChatMessage, Lenient, Part, ToolCall

DEFAULT_MAX_TOKENS = 8192
"""Tokens of an answer that the client did not bound, as Anthropic wants a bound: every current Claude
model can write so many."""
BACKEND = "Anthropic messages"
_ID = re.compile(r"[a-zA-Z0-9_-]+")
"""What Anthropic takes as the id of a tool call."""
_EFFORTS = {"minimal": "low"}


class _Request(Lenient):
    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    safety_identifier: str | None = None


def request_to_messages(body: bytes, *, official: bool = False) -> bytes:
    """``body`` for ``/v1/messages``; see :meth:`Translation.request`."""
    request, fields = read(body, _Request, CHAT, BACKEND)
    system, messages = _conversation(request.messages)
    out: dict[str, Any] = {"model": request.model, "max_tokens": _bound(request), "messages": messages}
    if system:
        # one string, in this order, as Anthropic's own layer for OpenAI clients does; only the newest models
        # take instructions in the middle (https://platform.claude.com/docs/en/api/openai-sdk)
        out["system"] = "\n".join(system)
    if request.stream is not None:
        out["stream"] = request.stream
    if request.stop:
        out["stop_sequences"] = [request.stop] if isinstance(request.stop, str) else request.stop
    if not official:
        out |= copied(fields, "top_p", "top_k")
        if request.temperature is not None:
            out["temperature"] = min(request.temperature, 1.0)
    if request.tools:
        out["tools"] = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools)]
        choice = _choice(request)
        if choice is not None:
            out["tool_choice"] = choice
    user = request.user or request.safety_identifier
    if user:
        out["metadata"] = {"user_id": user}
    out |= _effort_and_format(request)
    return msgspec.json.encode(out)


def _bound(request: _Request) -> int:
    bounds = (request.max_completion_tokens, request.max_tokens)
    # llama-server takes -1 for "no bound"
    return next((bound for bound in bounds if bound is not None and bound >= 0), DEFAULT_MAX_TOKENS)


def _effort_and_format(request: _Request) -> dict[str, Any]:
    out: dict[str, Any] = {}
    config: dict[str, Any] = {}
    if request.reasoning_effort == "none":
        out["thinking"] = {"type": "disabled"}
    elif request.reasoning_effort:
        config["effort"] = _EFFORTS.get(request.reasoning_effort, request.reasoning_effort)
    wanted = request.response_format or {}
    kind = wanted.get("type", "text")
    if kind == "json_schema":
        named = wanted.get("json_schema")
        schema = named.get("schema") if isinstance(named, dict) else None
        if not isinstance(schema, dict):
            raise InvalidRequest("response_format.json_schema.schema is missing.", param="response_format")
        # https://platform.claude.com/docs/en/build-with-claude/structured-outputs
        config["format"] = {"type": "json_schema", "schema": schema}
    elif kind != "text":
        why = "it knows no JSON without a schema, so give one with json_schema"
        raise refusal("response_format", why if kind == "json_object" else f"it knows no {kind!r}", BACKEND)
    if config:
        out["output_config"] = config
    return out


def _conversation(messages: list[ChatMessage]) -> tuple[list[str], list[dict[str, Any]]]:
    """The system prompts, and turns in which user and assistant alternate."""
    system: list[str] = []
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        if message.role in ("system", "developer"):
            system += [block["text"] for block in _blocks(message, place, images=False)]
            continue
        if message.role == "user":
            role, blocks = "user", _blocks(message, place)
        elif message.role == "assistant":
            role, blocks = "assistant", _assistant(message, place)
        elif message.role == "tool":
            role, blocks = "user", [_result(message, place)]
        else:
            raise refusal(f"{place}.role", f"it has no role {message.role!r}", BACKEND)
        if not blocks:
            continue  # Anthropic refuses empty text
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    if not turns:
        raise InvalidRequest("messages has no message of a user.", param="messages")
    return system, [{"role": role, "content": _compact(blocks)} for role, blocks in turns]


def _compact(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return str(blocks[0]["text"])
    # results have to come first in the turn that follows the calls
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _blocks(message: ChatMessage, place: str, *, images: bool = True) -> list[dict[str, Any]]:
    content = message.content
    parts = [Part(type="text", text=content)] if isinstance(content, str) else content or []
    blocks: list[dict[str, Any]] = []
    for index, part in enumerate(parts):
        where = f"{place}.content[{index}]"
        if part.type in ("text", "refusal"):
            text = part.text if part.type == "text" else part.refusal
            if text is None:
                raise InvalidRequest(f"{where}.{part.type} is missing.", param=where)
            if text:
                blocks.append({"type": "text", "text": text})
        elif part.type == "image_url" and images:
            blocks.append({"type": "image", "source": source_of(part.image_url, where)})
        else:
            raise refusal(where, f"it takes no {part.type!r} there", BACKEND)
    return blocks


def _assistant(message: ChatMessage, place: str) -> list[dict[str, Any]]:
    for name in ("audio", "function_call"):
        if getattr(message, name) is not None:
            raise refusal(f"{place}.{name}", "nothing there corresponds to it", BACKEND)
    # reasoning of earlier turns stays behind: Anthropic takes only thinking that it has signed
    blocks = _blocks(message, place)
    if message.refusal:
        blocks.append({"type": "text", "text": message.refusal})
    for index, call in enumerate(message.tool_calls or ()):
        blocks.append(_call(call, f"{place}.tool_calls[{index}]"))
    return blocks


def _call(call: ToolCall, place: str) -> dict[str, Any]:
    function = call.function
    if function is None:
        raise refusal(place, "it knows calls of functions only", BACKEND)
    try:
        arguments = msgspec.json.decode(function.arguments) if function.arguments else {}
    except (msgspec.DecodeError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        where = f"{place}.function.arguments"
        raise InvalidRequest(f"{where} must be a JSON object in a string.", param=where)
    name = needed(function.name, f"{place}.function.name")
    return {
        "type": "tool_use",
        "id": tool_id(needed(call.id, f"{place}.id")),
        "name": name,
        "input": arguments,
    }


def _result(message: ChatMessage, place: str) -> dict[str, Any]:
    id = tool_id(needed(message.tool_call_id, f"{place}.tool_call_id"))
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": id}
    if content := _blocks(message, place):
        block["content"] = _compact(content)
    return block


def tool_id(id: str) -> str:
    """``id`` if Anthropic takes it, or else, always the same for it, one that it takes."""
    return id if _ID.fullmatch(id) else f"x_{id.encode('utf-8', 'surrogatepass').hex()}"


def _tool(tool: dict[str, Any], place: str) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(function, dict):
        raise refusal(place, f"it knows no tools of type {tool.get('type')!r}", BACKEND)
    schema = function.get("parameters") or {}
    if not isinstance(schema, dict):
        raise InvalidRequest(f"{place}.function.parameters must be a JSON schema.", param=place)
    name = needed(function.get("name"), f"{place}.function.name")
    out = {"name": name, "input_schema": {"type": "object", **schema}}
    return out | copied(function, "description", "strict")


def _choice(request: _Request) -> dict[str, Any] | None:
    wanted = request.tool_choice
    choice: dict[str, Any]
    if wanted is None or wanted == "auto":
        if wanted is None and request.parallel_tool_calls is not False:
            return None
        choice = {"type": "auto"}
    elif wanted == "none":
        return {"type": "none"}
    elif wanted == "required":
        choice = {"type": "any"}
    elif isinstance(wanted, dict) and isinstance(wanted.get("function"), dict):
        name = needed(wanted["function"].get("name"), "tool_choice.function.name")
        choice = {"type": "tool", "name": name}
    else:
        kind = wanted.get("type") if isinstance(wanted, dict) else wanted
        raise refusal("tool_choice", f"it knows no choice {kind!r}", BACKEND)
    if request.parallel_tool_calls is False:
        choice["disable_parallel_tool_use"] = True
    return choice
