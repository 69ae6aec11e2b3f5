"""What servers send, and what a client has to make of it: the types of the table, and how rows are built.

A :class:`Shape` is one answer as bytes on the wire, and beside it what it says. It is asked for by its name
as the model's. The rows stand in :mod:`~shapes.streams`, :mod:`~shapes.calls`, :mod:`~shapes.wholes`,
:mod:`~shapes.transfers` and :mod:`~shapes.failures`; :mod:`~shapes.server` serves them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Asked = Literal["stream", "whole"]
DONE = "[DONE]"
EVENTS = "text/event-stream"
JSON = "application/json"
HTML = "text/html; charset=utf-8"
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


@dataclass(frozen=True)
class Call:
    """A tool call of an answer."""

    name: str
    arguments: dict[str, Any]
    id: str | None = None
    """``None`` where the server tells none, and any will do."""


@dataclass(frozen=True)
class Shape:
    """One answer, and what it says.

    ``text``, ``reasoning``, ``calls`` and ``finish`` are what a client must be given, in the dialect of chat
    completions; ``tokens`` are those of prompt and completion, where the server tells numbers that can be.
    A ``finish`` of ``None`` is one that the server does not tell; a node may say ``stop`` in its place.
    With ``fails`` it is no answer: a client is told one sentence with these words in it (none where the
    server gives no reason), after the ``text`` that had come, if any.
    """

    name: str
    asked: Asked
    """What the server takes the request for; it answers so whatever the request says."""
    writes: tuple[bytes, ...]
    """The bytes of the answer, head and all, as they are written one by one."""
    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = "stop"
    tokens: tuple[int, int] | None = None
    fails: str | None = None
    closes: bool = False
    """Whether the server closes the connection behind it."""

    @property
    def answers(self) -> bool:
        """Whether it is an answer."""
        return self.fails is None


def chunk(delta: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    """One event of a streamed chat completion; ``more`` replaces its fields or adds some."""
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return head | {"choices": [choice]} | more


def says(*contents: Any, field: str = "content") -> list[Any]:
    """Chunks that say one of ``contents`` each, between a first with the role and a last with the reason."""
    return [chunk({"role": "assistant", "content": ""}), *(chunk({field: it}) for it in contents), END]


END = chunk({}, "stop")


def event(data: Any, ends: str = "\n", field: str = "data: ") -> bytes:
    """A server-sent event; what is no text is written as JSON."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"{field}{text}{ends}{ends}".encode()


def head(status: int = 200, kind: str | None = EVENTS, *lines: str, version: str = "1.1") -> bytes:
    """The head of an answer."""
    said = [f"HTTP/{version} {status} X", *([f"content-type: {kind}"] if kind else []), *lines]
    return "".join(f"{line}\r\n" for line in said).encode("latin-1") + b"\r\n"


def chunked(pieces: Iterable[bytes], end: bytes = b"0\r\n\r\n") -> list[bytes]:
    """Pieces of a body in chunks of HTTP."""
    return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece] + ([end] if end else [])


def stream(name: str, events: Sequence[Any], *, done: bool = True, **what: Any) -> Shape:
    """A stream of events in chunks, each written by itself; bytes among ``events`` are sent as they are."""
    pieces = [it if isinstance(it, bytes) else event(it) for it in [*events, *([DONE] if done else [])]]
    return raw_stream(name, pieces, **what)


def raw_stream(name: str, pieces: Sequence[bytes], *, kind: str | None = EVENTS, **what: Any) -> Shape:
    """A stream of these pieces of its body."""
    writes = (head(200, kind, "transfer-encoding: chunked"), *chunked(pieces))
    return Shape(name, "stream", writes, **what)


def whole(
    name: str, body: Any, *lines: str, status: int = 200, kind: str | None = JSON, **what: Any
) -> Shape:
    """One body with its length; what is no bytes is written as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    writes = (head(status, kind, f"content-length: {len(data)}", *lines) + data,)
    return Shape(name, "whole", writes, **what)


def completion(message: Any = None, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    """A whole chat completion that says ``one two``, or what ``message`` says."""
    said = {"role": "assistant", "content": "one two"} if message is None else message
    fields = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE}
    return fields | {"choices": [{"index": 0, "message": said, "finish_reason": finish}]} | more


def at(shape: Shape, **changes: Any) -> Shape:
    """The shape with some fields changed."""
    return replace(shape, **changes)
