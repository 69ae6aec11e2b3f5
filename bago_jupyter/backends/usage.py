"""Token counts of an answer, read from the bytes that pass without decoding them."""

from __future__ import annotations

import re

TAIL = 4096
"""Bytes at the end of an answer in which the usage stands, in every dialect."""
MOST = 4 * TAIL
"""Bytes that are held before all but the last :data:`TAIL` are dropped."""

_LAST = (b"data: [DONE]", b"event: message_stop", b"event: response.completed")
# No more digits than any answer can have tokens: what a backend claims goes into sums and divisions.
_COUNT = re.compile(rb'"(?:(prompt|input)|completion|output)_tokens"\s*:\s*(\d{1,9})(?!\d)')


class Usage:
    """Watches an answer go by; :meth:`tokens` is right once it is complete."""

    __slots__ = ("_events", "_head", "_tail", "stream")

    def __init__(self, stream: bool):
        self.stream = stream
        self._events = 0
        self._head = b""
        self._tail = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self.stream:
            self._events += chunk.count(b"data:")
            if len(self._head) < TAIL:
                self._head += chunk[:TAIL]
        self._tail += chunk if len(chunk) <= TAIL else chunk[-TAIL:]
        if len(self._tail) > MOST:
            del self._tail[:-TAIL]

    @property
    def ended(self) -> bool:
        """Whether a stream has said its last word; clients close then without waiting for HTTP's."""
        return self.stream and any(mark in self._tail[-TAIL:] for mark in _LAST)

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
