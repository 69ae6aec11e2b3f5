"""A chat completion as an answer of Anthropic messages: whole, and event by event."""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import UpstreamFailed
from ...lenient import added, halved, items, paired, texts
from ...sse import Event, named_event
from .ending import messages_id, messages_usage, stop_reason
from .failures import read_error
from .retelling import Retelling
from .shapes import ChatAnswer, ChatOutput, ChatUsage, Choice, ToolCall
from .tolerant import decoded, encoded, fitted, read, text_of
from .toolcalls import Call, Calls

_encode = msgspec.json.encode
PING = named_event(b"ping", b'{"type":"ping"}')


def messages_answer(body: bytes) -> bytes:
    """``body`` of ``/v1/chat/completions`` as one of ``/v1/messages``.

    Raises :class:`UpstreamFailed` and :class:`msgspec.DecodeError` for what is no such answer.
    """
    answer = read(body, ChatAnswer)
    choice = answer.choices[0] if answer.choices else Choice()
    output = choice.message or choice.delta or _completed(choice)
    if answer.object == "error" or (answer.error and not _says(output)):  # beside an answer it is a remark
        raise read_error(answer.error or decoded(body))
    if not answer.choices:
        raise UpstreamFailed("The backend's answer is no chat completion.")
    if output is None:
        if choice.error:
            raise read_error(choice.error)
        raise UpstreamFailed("The backend's answer is no chat completion.")
    content: list[dict[str, Any]] = []
    if thinking := _thinking(output):
        content.append({"type": "thinking", "thinking": thinking, "signature": ""})
    said = (text_of(output.content), output.refusal)
    content += [{"type": "text", "text": text} for text in said if text]
    calls = [_tool_use(call, choice) for call in output.tool_calls or () if _calls(call, bool(content))]
    finish = choice.finish_reason if calls or not _calling(choice.finish_reason) else "stop"
    reason, sequence = stop_reason(finish, tools=bool(calls), sequence=choice.stop_reason)
    if output.refusal and reason == "end_turn":
        reason = "refusal"
    return encoded(
        {
            "id": messages_id(answer.id),
            "type": "message",
            "role": "assistant",
            "model": answer.model or "",
            "content": content + calls,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": messages_usage(answer.usage),
        }
    )


def _thinking(output: ChatOutput) -> str:
    return output.reasoning_content or output.reasoning or paired(texts(output.content)[1])


def _completed(choice: Choice) -> ChatOutput | None:
    return ChatOutput(content=choice.text) if choice.text else None


def _says(output: ChatOutput | None) -> bool:
    """Whether anything is said."""
    return output is not None and bool(
        text_of(output.content) or _thinking(output) or output.refusal or output.tool_calls
    )


def _calling(finish: str | None) -> bool:
    return finish in ("tool_calls", "function_call")


def _calls(call: ToolCall, said: bool) -> bool:
    """Whether a call says anything; some servers send empty ones. Beside what was ``said``, one without
    a name is none."""
    function = call.function
    return function is not None and bool(function.name or (function.arguments and not said))


def _tool_use(call: ToolCall, choice: Choice) -> dict[str, Any]:
    function = call.function
    if function is None or not function.name:
        raise UpstreamFailed("The backend's answer calls a tool without a name.")
    try:
        given = decoded(function.arguments.encode()) if function.arguments else {}
    except (msgspec.DecodeError, RecursionError):
        given = None
    if not isinstance(given, dict):
        if choice.finish_reason != "length":
            raise UpstreamFailed(f"The model called {function.name} with arguments that are no JSON object.")
        given = {}
    return {"type": "tool_use", "id": messages_tool_id(call.id), "name": function.name, "input": given}


def messages_tool_id(id: str | None) -> str:
    """The backend's id of a call, which it gets back with the result, or one of ours."""
    return id or messages_id(None).replace("msg_", "toolu_")


class MessagesStream(Retelling):
    """Chunks of a chat completion as events of Anthropic messages, one block after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = False
        self._index = -1
        """Of the last block that was begun."""
        self._block: str | None = None
        """Type of the block that is open."""
        self._head = b""
        """What all deltas of the open block share."""
        self._calls = Calls()
        self._call: Call | None = None
        """The one whose block was begun last."""
        self._usage: ChatUsage | None = None
        self._finish_reason: str | None = None
        self._sequence: object = None
        self._choice: int | None = None
        """The index of the one that is told: the first that was heard of."""
        self._said = ""
        """Its text so far, where that is told again with each event."""
        self._pieces = False
        """Whether that came in pieces, not in messages that grow."""
        self._remark: Any = None
        """An error that came with text; it was one where the answer does not come to its end."""
        self._refused = False
        self._half = ""
        """Half of a character, of which the rest comes with the next text."""

    def _take(self, event: Event, out: list[bytes]) -> None:
        data = event.data.strip()
        if data.lower() == b"[done]":
            self._over = self._begun and self._say_last(out)
            if not self._over:
                raise UpstreamFailed("The backend ended its stream without an answer.")
            return
        if not event.data:
            if self._begun:  # before, it would be the first byte, after which nobody else can answer
                out.append(PING)
            return
        if event.name == b"error":
            told = decoded(event.data)
            raise read_error((told.get("error") if isinstance(told, dict) else None) or told)
        if data.startswith(b"["):  # several at once
            for told in items(decoded(data)):
                if (chunk := fitted(told, ChatAnswer)) is not None:
                    self._chunk(chunk, told, out)
        elif data.startswith(b"{"):  # else a remark, as "still working"
            self._chunk(read(data, ChatAnswer), data, out)

    def _chunk(self, chunk: ChatAnswer, told: Any, out: list[bytes]) -> None:
        """``told`` is what ``chunk`` was read from, decoded or not."""
        remark = any(_says(choice.delta) and choice.finish_reason != "error" for choice in chunk.choices)
        if chunk.object == "error" or (chunk.error and not remark):
            raise read_error(chunk.error or (decoded(told) if isinstance(told, bytes) else told))
        self._remark = chunk.error or self._remark
        if not self._begun and chunk.choices:  # others say nothing of an answer
            self._begin(chunk, out)
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices:
            if self._choice is None:
                self._choice = choice.index
            if choice.index != self._choice:
                continue
            if choice.delta is not None or choice.message is None:
                delta = choice.delta or _completed(choice)
                self._pieces = self._pieces or _says(delta)
            else:
                delta = self._grown(choice.message)
            if delta is not None:
                self._delta(delta, out)
            if choice.error:
                raise read_error(choice.error)
            if choice.finish_reason:
                self._finish_reason = choice.finish_reason
                self._sequence = choice.stop_reason

    def _grown(self, message: ChatOutput) -> ChatOutput:
        """What a message says that is told again with each event, beyond what was said."""
        if self._pieces:
            return ChatOutput()
        before, more = self._said, added(self._said, text_of(message.content), False)
        self._said += more
        return ChatOutput(content=more) if before else message

    def _finish(self, out: list[bytes]) -> bool:
        return self._finish_reason is not None and self._say_last(out)

    def _say_last(self, out: list[bytes]) -> bool:
        if self._remark and self._finish_reason is None:
            raise read_error(self._remark)
        if self._half:
            self._say("text", "text_delta", "text", "\ufffd", out)
        self._end_calls(out)
        self._end_block(out)
        finish = self._finish_reason
        if self._calls.nameless and not self._calls.any and _calling(finish):
            finish = "stop"
        reason, sequence = stop_reason(finish, tools=self._calls.any, sequence=self._sequence)
        if self._refused and reason == "end_turn":
            reason = "refusal"
        delta = {"stop_reason": reason, "stop_sequence": sequence}
        told = {"type": "message_delta", "delta": delta, "usage": messages_usage(self._usage)}
        out.append(named_event(b"message_delta", _encode(told)))
        out.append(named_event(b"message_stop", b'{"type":"message_stop"}'))
        return True

    def _begin(self, chunk: ChatAnswer, out: list[bytes]) -> None:
        self._begun = True
        message: dict[str, Any] = {
            "id": messages_id(chunk.id),
            "type": "message",
            "role": "assistant",
            "model": chunk.model or "",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            # the prompt's tokens are known at the end only, and told there
            "usage": messages_usage(None),
        }
        out.append(named_event(b"message_start", _encode({"type": "message_start", "message": message})))

    def _delta(self, delta: ChatOutput, out: list[bytes]) -> None:
        if thinking := _thinking(delta):
            self._say("thinking", "thinking_delta", "thinking", thinking, out)
        text, self._half = halved(self._half + texts(delta.content)[0])
        if text:
            self._say("text", "text_delta", "text", text, out)
        if delta.refusal:
            self._refused = True
            self._say("text", "text_delta", "text", delta.refusal, out)
        for piece in delta.tool_calls or ():
            self._piece(piece, out)

    def _say(self, block: str, delta: str, field: str, text: str, out: list[bytes]) -> None:
        if self._block != block:
            self._end_calls(out)
            empty = {"type": block, field: ""}
            self._begin_block(empty | {"signature": ""} if block == "thinking" else empty, out)
            self._head = b'{"type":"content_block_delta","index":%d,"delta":{"type":"%s","%s":' % (
                self._index,
                delta.encode(),
                field.encode(),
            )
        out.append(named_event(b"content_block_delta", b"%s%s}}" % (self._head, _encode(text))))

    def _piece(self, piece: ToolCall, out: list[bytes]) -> None:
        self._tell_calls(self._calls.feed(piece), out)

    def _end_calls(self, out: list[bytes]) -> None:
        self._tell_calls(self._calls.flush(said=self._index >= 0), out)

    def _tell_calls(self, told: list[tuple[Call, str]], out: list[bytes]) -> None:
        for call, arguments in told:
            if call is not self._call:
                self._call = call
                begun: dict[str, Any] = {"type": "tool_use", "name": call.name, "input": {}}
                self._begin_block(begun | {"id": messages_tool_id(call.id)}, out)
            if arguments:
                delta = {"type": "input_json_delta", "partial_json": arguments}
                event = {"type": "content_block_delta", "index": self._index, "delta": delta}
                out.append(named_event(b"content_block_delta", _encode(event)))

    def _begin_block(self, block: dict[str, Any], out: list[bytes]) -> None:
        self._end_block(out)
        self._index += 1
        self._block = block["type"]
        event = {"type": "content_block_start", "index": self._index, "content_block": block}
        out.append(named_event(b"content_block_start", _encode(event)))

    def _end_block(self, out: list[bytes]) -> None:
        if self._block is None:
            return
        if self._block == "thinking":  # without one, Claude Code does not show the thinking
            delta = {"type": "signature_delta", "signature": ""}
            event = {"type": "content_block_delta", "index": self._index, "delta": delta}
            out.append(named_event(b"content_block_delta", _encode(event)))
        stop = {"type": "content_block_stop", "index": self._index}
        out.append(named_event(b"content_block_stop", _encode(stop)))
        self._block = None
