"""Token counts of an answer, read from the bytes that pass without decoding them."""

from __future__ import annotations

import re

TAIL = 4096
"""Bytes at the end of an answer in which the usage stands, in every dialect."""

_LAST = (b"data: [DONE]", b"event: message_stop", b"event: response.completed")
# No more digits than any answer can have tokens: what a backend claims goes into sums and divisions.
_PROMPT = re.compile(rb'"(?:prompt_tokens|input_tokens)"\s*:\s*(\d{1,9})(?!\d)')
_COMPLETION = re.compile(rb'"(?:completion_tokens|output_tokens)"\s*:\s*(\d{1,9})(?!\d)')


class Usage:
    """Watches an answer go by; :meth:`tokens` is right once it is complete."""

    __slots__ = ("_events", "_head", "_tail", "stream")

    def __init__(self, stream: bool):
        self.stream = stream
        self._events = 0
        self._head = b""
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self.stream:
            self._events += chunk.count(b"data:")
            if len(self._head) < TAIL:
                self._head += chunk[:TAIL]
        self._tail = chunk if len(chunk) >= TAIL else (self._tail + chunk)[-TAIL:]

    @property
    def ended(self) -> bool:
        """Whether a stream has said its last word; clients close then without waiting for HTTP's."""
        return self.stream and any(mark in self._tail for mark in _LAST)

    def tokens(self) -> tuple[int | None, int | None]:
        """``(prompt, completion)``; a stream without usage counts one token an event."""
        tail = self._tail[max(0, self._tail.rfind(b'"usage"')) :]
        prompt = _last(_PROMPT, tail)
        if prompt is None:  # Anthropic streams tell the prompt's tokens in their first event
            prompt = _last(_PROMPT, self._head)
        completion = _last(_COMPLETION, tail)
        if completion is None and self.stream:
            completion = max(0, self._events - 2) or None
        return prompt, completion


def _last(pattern: re.Pattern[bytes], data: bytes) -> int | None:
    found = pattern.findall(data)
    return int(found[-1]) if found else None
