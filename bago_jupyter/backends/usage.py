"""Token counts of an answer, read from the bytes that pass without decoding them."""

from __future__ import annotations

import re

from ..lenient import items, parse
from ..sse import Events, TooLong

TAIL = 4096
"""Bytes at the end of an answer in which the usage stands, in every dialect."""
MOST = 4 * TAIL
"""Bytes that are held before all but the last :data:`TAIL` are dropped."""

# At the beginning of a line: text of an answer that says the same is inside of one.
_LAST = re.compile(
    rb"[\r\n](?:data: ?\[(?:DONE|done)\]"
    rb"|event: ?(?:message_stop|response\.(?:completed|incomplete))[\r\n]"
    rb'|data: ?\{"type": ?"(?:message_stop|response\.(?:completed|incomplete))")'
)
_ERROR = re.compile(
    rb"[\r\n](?:event: ?(?:error|response\.failed)[\r\n]"
    rb'|data: ?\{"(?:error": ?(?!null)|type": ?"(?:error|response\.failed)"))'
)
_ENDS = (b"\n\n", b"\n\r\n", b"\r\r")
_DONE = tuple(word + end for word in (b"[DONE]", b"[done]") for end in (b"\n\n", b"\r\n\r\n", b"\r\r"))
# No more digits than any answer can have tokens: what a backend claims goes into sums and divisions.
_COUNT = re.compile(rb'"(?:(prompt|input)|completion|output)_tokens"\s*:\s*(\d{1,9})(?!\d)')


class Usage:
    """Watches an answer go by; :meth:`tokens` is right once it is complete."""

    __slots__ = ("_events", "_head", "_near", "_said", "_tail", "stream")

    def __init__(self, stream: bool):
        self.stream = stream
        self._events = 0
        self._head = b""
        self._near = False
        """Whether something was said that may be the last word."""
        self._said = False
        """Whether the last word stood in what was dropped: that of a response repeats all of it."""
        self._tail = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self.stream:
            self._events += chunk.count(b"data:")
            if len(self._head) < TAIL:
                self._head += chunk[:TAIL]
            if (
                b"[DONE]" in chunk
                or b"message_stop" in chunk
                or b"response.completed" in chunk
                or b"response.incomplete" in chunk
            ):
                self._near = True
        if len(chunk) > TAIL:
            if b"response." in self._head[:256]:
                self._look(self._tail[-TAIL:] + chunk)
            chunk = chunk[-TAIL:]
        self._tail += chunk
        if len(self._tail) > MOST:
            if b"response." in self._head[:256]:
                self._look(self._tail)
            del self._tail[:-TAIL]

    def _look(self, dropped: bytes | bytearray) -> None:
        if b"response.completed" in dropped and _LAST.search(dropped) is not None:
            self._said = True

    @property
    def ended(self) -> bool:
        """Whether a stream has said its last word; clients close then without waiting for HTTP's."""
        return self.stream and (self._said or _LAST.search(self._tail) is not None)

    @property
    def over(self) -> bool:
        """Whether the last word is here, and all of its event: nobody needs to wait for HTTP's end."""
        near = self._near and self._tail.endswith(_ENDS)
        if not near and not self._tail.endswith(_DONE):
            return False
        self._near = False
        return self.ended

    @property
    def finished(self) -> bool:
        """Whether every choice of a stream that broke has its reason to finish: then the answer is whole."""
        if not self.stream or b'"finish_reason"' not in self._tail:
            return False
        said: set[int] = set()
        done: set[int] = set()
        try:
            read = Events().feed(self._head) + Events().feed(bytes(self._tail))
        except TooLong:
            return False
        for event in read:
            try:
                told = parse(event.data)
            except ValueError:  # half of one, or no JSON
                continue
            for choice in (choice for it in items(told) for choice in items(it.get("choices"))):
                index = choice.get("index")
                said.add(index if isinstance(index, int) else 0)
                finish = choice.get("finish_reason")
                if finish and isinstance(finish, str) and finish != "error":
                    done.add(index if isinstance(index, int) else 0)
        return bool(done) and said == done

    @property
    def failed(self) -> bool:
        """Whether a stream that is over told an error, and not after its last word. vLLM says both."""
        end = bytes(self._tail[-TAIL:]) if self.stream and not self._said else b""
        if not any(word in end for word in (b'"error"', b".failed", b"event: error")):
            return False
        error, last = _ERROR.search(end), _LAST.search(end)
        return error is not None and (last is None or error.start() < last.start())

    @property
    def tail(self) -> bytes:
        """The last bytes, at least :data:`TAIL` of them."""
        return bytes(self._tail)

    def tokens(self) -> tuple[int | None, int | None]:
        """``(prompt, completion)``; a stream without usage counts one token an event."""
        prompt, completion = tokens_of(self._tail)
        if prompt is None and self._head:  # Anthropic streams tell the prompt's tokens in their first event
            prompt, _ = tokens_of(self._head)
        if completion is None and self.stream:
            completion = max(0, self._events - 2) or None
        return prompt, completion


def tokens_of(answer: bytes | bytearray) -> tuple[int | None, int | None]:
    """``(prompt, completion)`` as the end of an answer tells them: the last of each kind."""
    start = answer.rfind(b'"usage"', -TAIL)
    prompt = completion = None
    for asked, count in _COUNT.findall(answer, start if start > 0 else max(0, len(answer) - TAIL)):
        if asked:
            prompt = int(count)
        else:
            completion = int(count)
    return prompt, completion
