"""What has arrived of a streamed chat answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx

from .. import lenient
from ..errors import BagoError, UpstreamFailed
from ..sse import BOM, MAX_EVENT, Events, TooLong
from .answers import error_of

_BLANK = b" \t\r\n"
_COMMENT = re.compile(rb"(?m)^:.*$")
_HEAD = 16_384
"""Bytes of a stream that are kept until an answer shows in it, to say what came in its place."""


class Reply:
    """What has arrived of a streamed chat answer; complete once the iteration ends.

    It reads what any server sends that a node may pass on: a stream of events, or a whole answer where a
    stream was asked for, with any optional field null, missing or of another type. What is no answer
    (an error, a web page, nothing) raises :class:`~bago_jupyter.errors.BagoError`, after the text before it.
    """

    def __init__(self, headers: httpx.Headers):
        self.text = ""
        self.reasoning = ""
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        """As the server tells it; :attr:`tokens` is what can be reckoned with."""
        self.timings: dict[str, Any] | None = None
        self.request_id = headers.get("x-request-id")
        self.node = headers.get("x-bago-node")
        self.attempts = headers.get("x-bago-attempts")
        self.over = False
        """Whether the last word was said; whatever follows is not read."""
        self._pieces = False
        """Whether it comes in pieces; a message repeats them then."""
        self._remark: Any = None
        """An error that came with text; it was one where the answer does not come to its end."""
        self._told_before = ""
        """The text of messages so far."""
        self._begun = False
        """Whether any of it was an answer."""
        self._events: Events | None = None
        """Reads the body, once that has shown to be events."""
        self._head = b""
        """The whole body, or the beginning of one of events."""
        self._text, self._reasoning = _Characters(), _Characters()

    @property
    def complete(self) -> bool:
        """Whether all of the answer is here; what breaks after that takes nothing away."""
        return self.over or self.finish_reason is not None

    @property
    def tokens(self) -> int | None:
        """The tokens of the answer, where the server tells a number that can be."""
        return lenient.count((self.usage or {}).get("completion_tokens"))

    @property
    def speed(self) -> float | None:
        """Tokens per second, where the server tells a number that can be."""
        return lenient.figure((self.timings or {}).get("predicted_per_second"))

    def read(self, chunk: bytes) -> Iterator[str]:
        """Take the next bytes of the body, and yield the text of each event in them.

        Raises :class:`~bago_jupyter.errors.BagoError` where the server says that it failed, or cannot be
        understood.
        """
        if self._events is None or not self._begun:
            self._keep(chunk)
        if self._events is None:
            chunk = self._as_events()
        if self._events is not None:
            try:
                events = self._events.feed(chunk)
            except TooLong:
                raise self._failed("The server sent an event that is too long.") from None
            for event in events:
                yield from self._take(event.data)
                if self.over:
                    break

    def end(self) -> Iterator[str]:
        """The text that was still held back when the body ended. Raises as :meth:`read`."""
        if self._events is None:
            yield from self._take_whole()
        elif not self.over:
            for event in self._events.end():
                yield from self._take(event.data)
        if not self._begun:
            raise self._failed(self._nothing())
        if self._remark is not None and self.finish_reason is None:
            raise self._told(error_of(self._remark))
        self.text += (rest := self._text.end())
        self.reasoning += self._reasoning.end()
        if rest:
            yield rest

    def _keep(self, chunk: bytes) -> None:
        self._head += chunk if self._events is None else chunk[: max(0, _HEAD - len(self._head))]
        if self._events is None and len(self._head) > MAX_EVENT:
            raise self._failed("The server's answer is too long.")

    def _as_events(self) -> bytes:
        """All that has come, if that is a stream of events; what it is tells its first byte, as some servers
        leave out or mistake the content type."""
        start = self._head.removeprefix(BOM).lstrip(_BLANK)[:1]
        if not start or start in b"{[<" or (len(self._head) < len(BOM) and BOM.startswith(self._head)):
            return b""
        self._events = Events()
        head, self._head = self._head, self._head[:_HEAD]
        return head

    def _take_whole(self) -> Iterator[str]:
        try:
            value = lenient.parse(self._head)
        except ValueError:
            if not self._head.removeprefix(BOM).lstrip(_BLANK).startswith(b"{"):
                return
            try:  # something may stand behind it
                value = lenient.first(self._head)
            except ValueError:
                return
        yield from self._take_value(value)

    def _take(self, data: bytes) -> Iterator[str]:
        data = data.strip()
        if data.lower() == b"[done]":
            self.over = True
        elif data[:1] in (b"{", b"["):
            try:
                value = lenient.parse(data)
            except ValueError:
                lines = data.split(b"\n")
                if len(lines) == 1:
                    raise self._failed(
                        f"The server sent an event that cannot be read: {lenient.quoted(data)}"
                    ) from None
                for line in lines:  # some leave out the blank lines between events
                    yield from self._take(line)
            else:
                yield from self._take_value(value)

    def _take_value(self, value: Any) -> Iterator[str]:
        for event in lenient.items(value):
            new = ""
            for choice in lenient.items(event.get("choices")):
                new += self._take_choice(choice)
            self.usage = _fields(event.get("usage")) or self.usage
            self.timings = _fields(event.get("timings")) or self.timings
            self.text += new
            if new:
                yield new
            for place in (event, *lenient.items(event.get("choices"))):
                if (failure := lenient.failure(place)) is not None:
                    if not new or self.finish_reason == "error":
                        raise self._told(error_of(failure))
                    self._remark = failure
            if self.finish_reason == "error":
                raise self._failed("The server says that its answer failed, and not why.")

    def _take_choice(self, choice: dict[str, Any]) -> str:
        self._begun = True
        said = choice.get("delta")
        if isinstance(said, dict) and said:
            self._pieces = True
        elif not self._pieces and isinstance(choice.get("message"), dict):
            said = self._grown(choice["message"])
        if not isinstance(said, dict):
            said = {"content": choice.get("text")}
        content, thought = lenient.texts(said.get("content"))
        refusal, _ = lenient.texts(said.get("refusal"))
        for name in ("reasoning_content", "reasoning"):  # some say it under both
            if told := "".join(lenient.texts(said.get(name))):
                thought += told
                break
        self.reasoning += self._reasoning.join(thought)
        finish = choice.get("finish_reason")
        if finish and isinstance(finish, str):
            self.finish_reason = finish
        return self._text.join(content + refusal)

    def _grown(self, message: dict[str, Any]) -> dict[str, Any]:
        """What a message says beyond the same told before, as some servers tell it with each event."""
        content = lenient.texts(message.get("content"))[0]
        before, more = self._told_before, lenient.added(self._told_before, content, False)
        self._told_before += more
        return {"content": more} if before else message

    def _nothing(self) -> str:
        """What came in place of an answer."""
        body = _COMMENT.sub(b"", self._head.removeprefix(BOM)).strip()
        if not body or body == b"null" or self.over:
            return "The server's answer is empty."
        if body.startswith(b"<"):
            return f"The server sent a web page in place of an answer: {lenient.quoted(body)}"
        try:
            said = lenient.sentence(lenient.parse(body))
        except ValueError:
            said = None
        return f"The server sent no answer: {said or lenient.quoted(body)}"

    def _failed(self, message: str) -> BagoError:
        return self._told(UpstreamFailed(message, cause="error"))

    def _told(self, error: BagoError) -> BagoError:
        error.request = self.request_id
        return error


class _Characters:
    """Text in which servers may cut a character beyond U+FFFF into its two surrogates."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, piece: str) -> str:
        """``piece`` with the half before it, and without one at its end."""
        text, self._half = lenient.halved(self._half + piece)
        return text

    def end(self) -> str:
        """What never got its other half."""
        half, self._half = self._half, ""
        return lenient.paired(half)


def _fields(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
