"""The events of a stream as one whole answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...errors import UpstreamFailed
from ...lenient import added, count, items, paired, texts
from ...router.shape import Dialect
from ...sse import Event, Events, TooLong
from ..translate.tolerant import decoded, encoded

Told = dict[str, Any]
_LAST = frozenset({"message_stop", "response.completed", "response.incomplete"})
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


def as_whole(body: bytes, dialect: Dialect, look: Callable[[bytes, bytes], None]) -> bytes:
    """The answer that the events in ``body`` say.

    ``look`` is given the name and the data of each, and raises where it is an error. Raises
    :class:`UpstreamFailed` where they are none of such an answer, or not all of them.
    """
    events = Events()
    try:
        read = events.feed(body)
        begun = events.end()
    except TooLong:
        raise UpstreamFailed("The backend sent an event that is too long.") from None
    told: list[Told] = []
    ended = False
    for event in read + [event for event in begun if _is_json(event.data)]:
        if ended:  # what comes behind the last word is no part of the answer
            break
        if event.data.strip().lower() == b"[done]":
            ended = True
        elif event.data:
            look(event.name, event.data)
            told += _object(event)
            ended = bool(told) and str(told[-1].get("type")) in _LAST
    try:
        answer = _GATHERED[dialect](told, ended)
    except (msgspec.DecodeError, RecursionError):
        raise UpstreamFailed("The backend's answer calls a tool with what is no JSON.") from None
    if answer is None:
        raise UpstreamFailed("The backend ended its stream in the middle of the answer.", cause="broken")
    return encoded(answer)


def _is_json(data: bytes) -> bool:
    """Whether an event is whole that has no end: a connection may have broken in it."""
    try:
        decoded(data)
    except (msgspec.DecodeError, RecursionError):
        return data.strip().lower() == b"[done]"
    return True


def _object(event: Event) -> list[Told]:
    if not event.data.lstrip().startswith((b"{", b"[")):  # a remark, as "still working"
        return []
    try:
        told = decoded(event.data)
    except (msgspec.DecodeError, RecursionError):
        raise UpstreamFailed("The backend sent an event that cannot be read.") from None
    return items(told)


def _chat(events: list[Told], ended: bool) -> Told | None:
    answer, choices = _common(events, "chat.completion")
    pieces = False
    for event in events:
        for index, choice in _choices(event):
            gathered = choices.setdefault(index, {"index": index, "message": {"role": "assistant"}})
            gathered |= _lasting(choice)
            delta, message = choice.get("delta"), choice.get("message")
            if isinstance(delta, dict) and delta:
                _add(gathered["message"], delta)
                pieces = pieces or any(delta.get(name) for name in _TEXTS)
            elif isinstance(message, dict):
                _grow(gathered["message"], message, pieces)
            elif choice.get("text"):
                _add(gathered["message"], {"content": choice["text"]})
            if choice.get("finish_reason"):
                gathered["finish_reason"] = choice["finish_reason"]
    return _finished(answer, choices, ended)


_MOVED = frozenset({"delta", "message", "index", "finish_reason", "text", "logprobs"})
"""Fields of a choice that are gathered, or hold for one event alone."""


def _lasting(choice: Told) -> Told:
    return {name: value for name, value in choice.items() if name not in _MOVED and value is not None}


def _add(message: Told, delta: Told) -> None:
    """Put a delta behind what there is of its message."""
    for name, value in delta.items():
        if value is None:
            continue
        if name in _TEXTS:
            text, thinking = texts(value)
            message[name] = message.get(name, "") + text
            if thinking:
                message["reasoning_content"] = message.get("reasoning_content", "") + thinking
        elif name == "tool_calls":
            for piece in value if isinstance(value, list) else []:
                if isinstance(piece, dict):
                    _add_call(message.setdefault("tool_calls", []), piece)
        else:
            message[name] = value


def _grow(message: Told, again: Told, pieces: bool) -> None:
    """Put behind a message what one that is told again has more; ``pieces`` is whether it came in some."""
    more = dict(again)
    for name in _TEXTS:
        if isinstance(again.get(name), str):
            more[name] = added(message.get(name) or "", again[name], pieces)
    if message.get("tool_calls"):
        more.pop("tool_calls", None)
    _add(message, more)


def _add_call(calls: list[Told], piece: Told) -> None:
    index = count(piece.get("index"))
    function = piece.get("function")
    function = function if isinstance(function, dict) else {}
    # some servers give every call the same index, or none: the newest of them goes on
    call = next((call for call in reversed(calls) if index is None or call["index"] == index), None)
    if call is None or (piece.get("id") and call.get("id") and piece["id"] != call["id"]):
        call = {"index": len(calls) if index is None else index, "type": "function"}
        call["function"] = {"name": "", "arguments": ""}
        calls.append(call)
    if piece.get("id"):
        call["id"] = piece["id"]
    if function.get("name"):
        call["function"]["name"] = function["name"]
    given = function.get("arguments")
    if given is not None:
        call["function"]["arguments"] += given if isinstance(given, str) else encoded(given).decode()


def _completion(events: list[Told], ended: bool) -> Told | None:
    answer, choices = _common(events, "text_completion")
    for event in events:
        for index, choice in _choices(event):
            gathered = choices.setdefault(index, {"index": index, "text": ""})
            gathered["text"] += texts(choice.get("text"))[0]
            gathered |= _lasting(choice)
            if choice.get("finish_reason"):
                gathered["finish_reason"] = choice["finish_reason"]
    return _finished(answer, choices, ended)


def _common(events: list[Told], kind: str) -> tuple[Told, dict[int, Told]]:
    """What the events of an answer say beside its choices: the last word on each field counts."""
    answer: Told = {}
    for event in events:
        answer |= {name: value for name, value in event.items() if name != "choices" and value is not None}
    return answer | {"object": kind}, {}


def _choices(event: Told) -> list[tuple[int, Told]]:
    choices = event.get("choices")
    return [(count(choice.get("index")) or 0, choice) for choice in items(choices)]


def _finished(answer: Told, choices: dict[int, Told], ended: bool) -> Told | None:
    if not choices or not (ended or any(choice.get("finish_reason") for choice in choices.values())):
        return None
    for choice in choices.values():
        choice.setdefault("finish_reason", "stop")
        message = choice.get("message")
        if message is not None:
            message.setdefault("content", None)
            for call in message.get("tool_calls", ()):
                call.pop("index", None)
    return answer | {"choices": [choices[index] for index in sorted(choices)]}


def _message(events: list[Told], ended: bool) -> Told | None:
    answer: Told | None = None
    blocks: dict[int, Told] = {}
    inputs: dict[int, str] = {}
    for event in events:
        kind, index = event.get("type"), count(event.get("index")) or 0
        delta = event.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        if kind == "message_start" and isinstance(event.get("message"), dict):
            answer = dict(event["message"])
        elif kind == "content_block_start" and isinstance(event.get("content_block"), dict):
            blocks[index] = dict(event["content_block"])
        elif kind == "content_block_delta":
            block = blocks.setdefault(index, {"type": "text", "text": ""})
            for name in ("text", "thinking", "signature"):
                if name in delta:
                    block[name] = texts(block.get(name))[0] + texts(delta[name])[0]
            if "partial_json" in delta:
                piece = delta["partial_json"]
                inputs[index] = inputs.get(index, "") + (
                    piece if isinstance(piece, str) else encoded(piece).decode()
                )
        elif kind == "message_delta" and answer is not None:
            answer |= {name: value for name, value in delta.items() if value is not None}
            if isinstance(event.get("usage"), dict):
                usage = answer.get("usage")
                answer["usage"] = (usage if isinstance(usage, dict) else {}) | event["usage"]
    if answer is None or not (ended or answer.get("stop_reason")):
        return None
    for index, given in inputs.items():
        if given:
            blocks[index]["input"] = decoded(paired(given).encode())
    return answer | {
        "content": [blocks[index] for index in sorted(blocks)],
        "stop_reason": answer.get("stop_reason") or "end_turn",
    }


def _response(events: list[Told], ended: bool) -> Told | None:
    last = ("response.completed", "response.incomplete")
    found = [event.get("response") for event in events if str(event.get("type")) in last]
    return found[-1] if found and isinstance(found[-1], dict) else None


_GATHERED: dict[Dialect, Callable[[list[Told], bool], Told | None]] = {
    "chat": _chat,
    "completions": _completion,
    "messages": _message,
    "responses": _response,
}
