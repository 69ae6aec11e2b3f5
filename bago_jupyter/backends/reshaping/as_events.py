"""A whole answer as the events of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...errors import UpstreamFailed
from ...router.shape import Dialect
from ...sse import data_event, named_event
from ..translate.tolerant import decoded, encoded

Told = dict[str, Any]


def as_events(body: bytes, dialect: Dialect) -> bytes:
    """The stream that says what ``body`` says. Raises :class:`UpstreamFailed` for what is no such answer."""
    try:
        answer = decoded(body)
    except (msgspec.DecodeError, RecursionError):
        raise UpstreamFailed("The backend's answer cannot be read.") from None
    events = _TOLD[dialect](answer) if isinstance(answer, dict) else None
    if not events:
        raise UpstreamFailed("The backend answered in one piece, which is no answer to this request.")
    return b"".join(events)


def _chat(answer: Told) -> list[bytes]:
    choices = [choice for choice in _list(answer.get("choices")) if isinstance(choice, dict)]
    if not choices:
        return []
    common = answer | {"object": "chat.completion.chunk"}
    usage = common.pop("usage", None)
    common.pop("error", None)  # beside an answer it is a remark, for which clients of streams end them
    told, ends = [], []
    for choice in choices:
        rest = {name: value for name, value in choice.items() if name not in ("message", "delta")}
        message = choice.get("message") or choice.get("delta") or {"content": choice.get("text")}
        if not isinstance(message, dict):
            message = {"content": message}
        if calls := message.get("tool_calls"):
            numbered = [{"index": number} | call for number, call in enumerate(_objects(calls))]
            message = message | {"tool_calls": numbered}
        told.append(rest | {"delta": {"role": "assistant"} | message, "finish_reason": None})
        ends.append(rest | {"delta": {}, "finish_reason": choice.get("finish_reason")})
    last = common | {"choices": ends} | ({} if usage is None else {"usage": usage})
    return [data_event(encoded(common | {"choices": told})), data_event(encoded(last)), data_event(b"[DONE]")]


def _completion(answer: Told) -> list[bytes]:
    if not _list(answer.get("choices")):
        return []
    return [data_event(encoded(answer)), data_event(b"[DONE]")]


def _message(answer: Told) -> list[bytes]:
    if "content" not in answer:
        return []
    content = answer["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else _objects(content)
    empty: Told = {"content": [], "stop_reason": None, "stop_sequence": None}
    begun = {"type": "message", "role": "assistant", "usage": {}} | answer | empty
    out = [_named({"type": "message_start", "message": begun})]
    for index, block in enumerate(blocks):
        start, deltas = _block(block)
        out.append(_named({"type": "content_block_start", "index": index, "content_block": start}))
        out += [_named({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
        out.append(_named({"type": "content_block_stop", "index": index}))
    delta = {"stop_reason": answer.get("stop_reason") or "end_turn"}
    delta["stop_sequence"] = answer.get("stop_sequence")
    usage = answer.get("usage") or {"output_tokens": 0}
    out.append(_named({"type": "message_delta", "delta": delta, "usage": usage}))
    out.append(_named({"type": "message_stop"}))
    return out


def _block(block: Told) -> tuple[Told, list[Told]]:
    """A content block as it begins, and what follows."""
    kind = block.get("type")
    if kind == "text":
        return block | {"text": ""}, [{"type": "text_delta", "text": block.get("text") or ""}]
    if kind == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": block.get("thinking") or ""}]
        signed = {"type": "signature_delta", "signature": block.get("signature") or ""}
        return block | {"thinking": "", "signature": ""}, [*deltas, signed]
    if kind == "tool_use":
        given = encoded(block.get("input") or {}).decode()
        return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": given}]
    return block, []


def _response(answer: Told) -> list[bytes]:
    if "output" not in answer:
        return []
    out: list[Told] = []

    def say(kind: str, **fields: Any) -> None:
        out.append({"type": kind, "sequence_number": len(out), **fields})

    say("response.created", response=answer | {"status": "in_progress", "output": [], "usage": None})
    for number, item in enumerate(_objects(answer["output"])):
        parts = _objects(item.get("content")) if item.get("type") == "message" else []
        begun = item | ({"content": []} if parts else {}) | {"status": "in_progress"}
        say("response.output_item.added", output_index=number, item=begun)
        for index, part in enumerate(parts):
            where = {"item_id": item.get("id") or "", "output_index": number, "content_index": index}
            text = part.get("text")
            if not isinstance(text, str):
                continue
            say("response.content_part.added", **where, part=part | {"text": ""})
            say("response.output_text.delta", **where, delta=text, logprobs=[])
            say("response.output_text.done", **where, text=text, logprobs=[])
            say("response.content_part.done", **where, part=part)
        say("response.output_item.done", output_index=number, item=item)
    kind = "response.incomplete" if answer.get("status") == "incomplete" else "response.completed"
    say(kind, response=answer)
    return [_named(event) for event in out]


def _named(event: Told) -> bytes:
    return named_event(event["type"].encode(), encoded(event))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> list[Told]:
    return [part for part in _list(value) if isinstance(part, dict)]


_TOLD: dict[Dialect, Callable[[Told], list[bytes]]] = {
    "chat": _chat,
    "completions": _completion,
    "messages": _message,
    "responses": _response,
}
