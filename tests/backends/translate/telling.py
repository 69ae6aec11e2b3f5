"""What the tests of the translation share: servers, streams and bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from faults import Call, Faults

from bago_jupyter.backends.base import Request
from bago_jupyter.backends.dialects import error_body, error_event
from bago_jupyter.backends.target import Target
from bago_jupyter.backends.translate import Translation
from bago_jupyter.backends.translate.retelling import Retelling
from bago_jupyter.errors import BagoError, UpstreamFailed

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


def decode(data: bytes) -> Any:
    return msgspec.json.decode(data)


def chat_events(*chunks: Any, done: bool = True) -> bytes:
    """A stream of chat completions; each chunk is a delta, or a whole chunk if it has choices."""
    out = b""
    for chunk in chunks:
        if not {"choices", "error"} & set(chunk):
            chunk = {"choices": [{"index": 0, "delta": chunk, "finish_reason": None}]}
        out += b"data: " + encode({"id": "chatcmpl-1", "model": "m", "object": "x"} | chunk) + b"\n\n"
    return out + (b"data: [DONE]\n\n" if done else b"")


def finish(reason: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason, **more}]}


def usage(prompt: int, completion: int, cached: int = 0) -> dict[str, Any]:
    told = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"choices": [], "usage": told | {"prompt_tokens_details": {"cached_tokens": cached}}}


def messages_events(*events: dict[str, Any]) -> bytes:
    """A stream of Anthropic messages."""
    return b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), encode(e)) for e in events)


def start(**usage: int) -> dict[str, Any]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    told = {"input_tokens": 7, "output_tokens": 1} | usage
    return {"type": "message_start", "message": message | {"stop_reason": None, "usage": told}}


def block(index: int, begun: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one content block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text_block(index: int, *texts: str) -> list[dict[str, Any]]:
    deltas = [{"type": "text_delta", "text": text} for text in texts]
    return block(index, {"type": "text", "text": ""}, *deltas)


def tool_block(index: int, id: str, name: str, *pieces: str) -> list[dict[str, Any]]:
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block(index, {"type": "tool_use", "id": id, "name": name, "input": {}}, *deltas)


def stop(reason: str, **usage: int) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5} | usage},
        {"type": "message_stop"},
    ]


def retell(stream: Retelling, pieces: Iterable[bytes]) -> bytes:
    """All that ``stream`` makes of ``pieces``; its failure stays in it."""
    return b"".join([stream.feed(piece) for piece in pieces]) + stream.end()


def payloads(out: bytes) -> list[Any]:
    """The data of all events, ``[DONE]`` as it is."""
    lines = [line[6:] for line in out.split(b"\n") if line.startswith(b"data: ")]
    return ["[DONE]" if line == b"[DONE]" else decode(line) for line in lines]


class Canned:
    """An exchange whose answer is given in pieces; whole only after the last was read, or from the start."""

    def __init__(
        self,
        pieces: Sequence[bytes],
        kind: bytes = b"application/json",
        status: int = 200,
        *,
        here: bool = False,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ):
        self.status = status
        self.headers = [(b"content-type", kind), (b"content-length", b"999"), *headers]
        self.closed = False
        self._broken: UpstreamFailed | None = None
        self._pieces = [b"".join(pieces)] if here else [*pieces, b""]
        self._here = here

    @property
    def complete(self) -> bool:
        return self._here or not self._pieces

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def read(self) -> bytes:
        if self._broken is not None:
            raise self._broken
        return self._pieces.pop(0) if self._pieces else b""

    def fail(self, error: UpstreamFailed) -> None:
        self._broken = error

    def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def front(
    translation: Translation, url: str, headers: dict[str, str] | None = None
) -> AsyncIterator[str]:
    """A server that answers clients of one dialect from the backend at ``url``, which speaks the other."""
    target = Target(url, headers)

    async def answer(call: Call) -> None:
        try:
            sent = Request(
                id="r",
                path=translation.path,
                body=translation.request(call.body),
                headers=[(b"content-type", b"application/json")],
            )
            backend = await target.send(sent)
            stream = bool(decode(call.body).get("stream"))
            exchange = translation.exchange(backend, stream, call.body)
            if not stream or exchange.status >= 400:
                parts = []
                while chunk := await exchange.read():
                    parts.append(chunk)
                await call.json(b"".join(parts), exchange.status)
                return
        except BagoError as error:
            await call.json(error_body(error, translation.client), error.status)
            return
        await call.sse_head()
        try:
            while chunk := await exchange.read():
                await call.chunk(chunk)
        except BagoError as error:
            await call.chunk(error_event(error, translation.client))
        exchange.close()
        await call.raw(b"0\r\n\r\n")

    async with Faults(answer) as server:
        try:
            yield server.url
        finally:
            target.pool.close()


@asynccontextmanager
async def backend(answer: bytes, status: int = 200, chunk: int = 0) -> AsyncIterator[Faults]:
    """A server that gives ``answer`` to every request: events in chunks of ``chunk`` bytes, or one body."""

    async def script(call: Call) -> None:
        if not chunk:
            await call.json(answer, status)
            return
        await call.sse_head()
        for begin in range(0, len(answer), chunk):
            await call.chunk(answer[begin : begin + chunk])
        await call.raw(b"0\r\n\r\n")

    async with Faults(script) as server:
        yield server
