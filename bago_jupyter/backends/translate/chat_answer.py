"""An answer of Anthropic messages as a chat completion: whole, and event by event."""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import UpstreamFailed
from ...sse import COMMENT, Event, data_event
from .ending import FINISH, chat_id, chat_usage, merged
from .failures import read_error
from .retelling import Retelling
from .shapes import Delta, MessagesAnswer, MessagesEvent, MessagesUsage, SaidBlock
from .tolerant import encoded, read

_encode = msgspec.json.encode


class _Whole(MessagesAnswer):
    error: Any = None


def chat_answer(body: bytes, created: int) -> bytes:
    """``body`` of ``/v1/messages`` as one of ``/v1/chat/completions``. ``created`` is Unix time, in seconds.

    Raises :class:`UpstreamFailed` and :class:`msgspec.DecodeError` for what is no such answer.
    """
    answer = read(body, _Whole)
    if answer.error:
        raise read_error(answer.error)
    if answer.usage is None and not answer.content:
        raise UpstreamFailed("The backend's answer is no Anthropic message.")
    text = [block.text for block in answer.content if block.text is not None]
    thinking = [block.thinking or "" for block in answer.content if block.type == "thinking"]
    calls = [_call(block) for block in answer.content if block.type == "tool_use"]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(text) if text or not calls else None,
        "refusal": None,
    }
    if any(thinking):
        message["reasoning_content"] = "".join(thinking)
    if calls:
        message["tool_calls"] = calls
    finish = FINISH.get(answer.stop_reason or "", "stop")
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return _encode(
        {
            "id": chat_id(answer.id),
            "object": "chat.completion",
            "created": created,
            "model": answer.model or "",
            "choices": [choice],
            "usage": chat_usage(answer.usage or MessagesUsage()),
        }
    )


def _call(block: SaidBlock) -> dict[str, Any]:
    arguments = encoded({} if block.input is None else block.input).decode()
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}


class ChatStream(Retelling):
    """Events of Anthropic messages as chunks of a chat completion.

    With ``include_usage`` the usage comes in a last chunk without choices, as OpenAI documents it.
    """

    def __init__(self, created: int, *, include_usage: bool = False):
        super().__init__()
        self._created = created
        self._include_usage = include_usage
        self._head = b""
        """The beginning that all chunks share; empty until the message has begun."""
        self._usage = MessagesUsage()
        self._stop: str | None = None
        self._calls = 0
        self._open: dict[int, _OpenCall] = {}

    def _take(self, event: Event, out: list[bytes]) -> None:
        if not event.data:
            self._alive(out)
            return
        told = read(event.data, MessagesEvent)
        kind = told.type or event.name.decode("latin-1")
        if kind == "content_block_delta" and told.delta is not None:
            self._delta(told.index, told.delta, out)
        elif kind == "content_block_start" and told.content_block is not None:
            self._begin_block(told.index, told.content_block, out)
        elif kind == "content_block_stop":
            self._end_block(told.index, out)
        elif kind == "message_start":
            self._begin(told.message or MessagesAnswer(), out)
        elif kind == "message_delta":
            self._usage = merged(self._usage, told.usage)
            if told.delta is not None and told.delta.stop_reason:
                self._stop = told.delta.stop_reason
        elif kind == "message_stop":
            if not self._head:
                raise UpstreamFailed("The backend ended an answer that it had not begun.")
            self._stop = self._stop or ("tool_use" if self._calls else "end_turn")
            self._over = self._finish(out)
        elif kind == "ping":
            self._alive(out)
        elif kind == "error" or told.error:
            raise read_error(told.error)

    def _finish(self, out: list[bytes]) -> bool:
        if not self._head or self._stop is None:
            return False
        usage = chat_usage(self._usage)
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": FINISH.get(self._stop, "stop")}
        if self._include_usage:
            out.append(data_event(b"%s[%s]}" % (self._head, _encode(choice))))
            out.append(data_event(b'%s[],"usage":%s}' % (self._head, _encode(usage))))
        else:
            out.append(data_event(b'%s[%s],"usage":%s}' % (self._head, _encode(choice), _encode(usage))))
        out.append(data_event(b"[DONE]"))
        return True

    def _begin(self, message: MessagesAnswer, out: list[bytes]) -> None:
        head = {
            "id": chat_id(message.id),
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": message.model or "",
        }
        self._head = _encode(head)[:-1] + b',"choices":'
        self._usage = merged(self._usage, message.usage)
        self._say(b'{"role":"assistant","content":""}', out)

    def _alive(self, out: list[bytes]) -> None:
        if self._head:  # before, it would be the first byte, after which nobody else can answer
            out.append(COMMENT)

    def _begin_block(self, index: int, block: SaidBlock, out: list[bytes]) -> None:
        if block.type == "tool_use":
            self._open[index] = call = _OpenCall(self._calls, block.input)
            self._calls += 1
            function = {"name": block.name, "arguments": ""}
            told = {"index": call.number, "id": block.id, "type": "function", "function": function}
            self._say(_encode({"tool_calls": [told]}), out)
        elif block.text:
            self._say(_encode({"content": block.text}), out)
        elif block.thinking:
            self._say(_encode({"reasoning_content": block.thinking}), out)

    def _delta(self, index: int, delta: Delta, out: list[bytes]) -> None:
        if delta.text is not None:
            self._say(_encode({"content": delta.text}), out)
        elif delta.thinking is not None:
            self._say(_encode({"reasoning_content": delta.thinking}), out)
        elif delta.partial_json and (call := self._open.get(index)) is not None:
            call.told = True
            self._arguments(call, delta.partial_json, out)

    def _end_block(self, index: int, out: list[bytes]) -> None:
        call = self._open.pop(index, None)
        if call is not None and not call.told:  # no arguments, or all of them at the block's start
            self._arguments(call, encoded(call.input or {}).decode(), out)

    def _arguments(self, call: _OpenCall, piece: str, out: list[bytes]) -> None:
        told = {"index": call.number, "function": {"arguments": piece}}
        self._say(_encode({"tool_calls": [told]}), out)

    def _say(self, delta: bytes, out: list[bytes]) -> None:
        if not self._head:
            self._begin(MessagesAnswer(), out)
        choice = b'%s[{"index":0,"delta":%s,"logprobs":null,"finish_reason":null}]}'
        out.append(data_event(choice % (self._head, delta)))


class _OpenCall:
    """A tool call whose arguments are coming."""

    __slots__ = ("input", "number", "told")

    def __init__(self, number: int, input: Any):
        self.number = number
        self.input = input
        self.told = False
