"""Servers like llama-server that compute nothing: slots, a speed of reading and one of writing.

``python -m tests.benchmarks.fleet '[{"slots": 4, "speed": 300, "reading": 3000}, ...]'`` prints one JSON
line ``{"ports": [...]}`` and serves until standard input closes. A request waits for a slot, its prompt is
read, then it is answered at the server's speed, whoever else is served. ``GET /asked`` tells how many
requests came.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import msgspec

from bago_jupyter import loops

from .processes import HOST, child, free_port, python

MODEL = "mock"
BYTES_PER_TOKEN = 4
"""Of a prompt."""


class Server(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one of them is."""

    slots: int = 4
    speed: float = 50.0
    """Tokens per second that every slot writes."""
    reading: float = 500.0
    """Tokens per second that every slot reads."""
    burst: int = 1
    """Tokens in one event."""
    fails: bool = False
    """Answers 503 after a millisecond."""

    def seconds(self, prompt: int, answer: int) -> float:
        """Time that a request takes in a slot."""
        return prompt / self.reading + answer / self.speed


@contextmanager
def running(servers: Sequence[Server], *, core: int | None = None) -> Iterator[list[str]]:
    """The servers in one process of their own on this host; yields their URLs."""
    ports = [free_port() for _ in servers]
    command = python("fleet", msgspec.json.encode(servers).decode(), *ports)
    with child("fleet", command, core=core, ready_port=ports[-1]):
        yield [f"http://{HOST}:{port}" for port in ports]


def asked(url: str) -> int:
    """Requests that the server at ``url`` got so far."""
    with urlopen(f"{url}/asked", timeout=10) as answer:
        return int(answer.read())


class _Serving:
    """One server; all run on one loop."""

    def __init__(self, server: Server):
        self.server = server
        self.asked = 0
        self._slots = asyncio.Semaphore(server.slots)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line[15:])
                        for line in head.lower().split(b"\r\n")
                        if line.startswith(b"content-length:")
                    ),
                    0,
                )
                body = await reader.readexactly(length)
                if head.startswith(b"GET /asked"):
                    _whole(writer, str(self.asked).encode())
                elif head.startswith(b"GET"):
                    _whole(
                        writer, b'{"object":"list","data":[{"id":"%s","object":"model"}]}' % MODEL.encode()
                    )
                elif not head.startswith(b"POST /v1/chat/completions "):
                    _whole(writer, _WRONG, 404)
                elif b'"messages"' not in body:  # asked only to see whether this route is known
                    _whole(writer, _WRONG, 400)
                else:
                    self.asked += 1
                    await self._answer(json.loads(body), reader, writer)
        writer.close()

    async def _answer(
        self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        server = self.server
        if server.fails:
            await asyncio.sleep(0.001)
            _whole(writer, b'{"error":{"message":"not now","type":"server_error","code":503}}', 503)
            return
        prompt = sum(len(message["content"]) for message in body["messages"]) // BYTES_PER_TOKEN
        answer = body.get("length") or body.get("max_tokens") or 100
        usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
        async with self._slots:
            if reader.at_eof():
                raise ConnectionResetError
            at = asyncio.get_running_loop().time() + prompt / server.reading
            if not body.get("stream"):
                await _until(at + answer / server.speed)
                message = {"role": "assistant", "content": " token" * answer}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                _whole(writer, json.dumps({"id": "x", "choices": [choice], "usage": usage}).encode())
                return
            for written in range(server.burst, answer + server.burst, server.burst):
                await _until(at + min(written, answer) / server.speed)
                if reader.at_eof():
                    raise ConnectionResetError
                if written == server.burst:
                    writer.write(_SSE)
                writer.write(_EVENT)
            writer.write(_chunk("data: " + json.dumps({"id": "x", "choices": [], "usage": usage}) + "\n\n"))
            writer.write(_chunk("data: [DONE]\n\n") + b"0\r\n\r\n")


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)


async def _until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))


def _chunk(text: str) -> bytes:
    return f"{len(text):x}\r\n{text}\r\n".encode()


def _whole(writer: asyncio.StreamWriter, body: bytes, status: int = 200) -> None:
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    writer.write(head % (status, len(body)) + body)


_SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = _chunk(
    'data: {"id":"x","object":"chat.completion.chunk",'
    '"choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]}\n\n'
)
_WRONG = b'{"error":{"message":"not here","type":"invalid_request_error","code":null}}'
_MODELS = b'{"object":"list","data":[{"id":"%s","object":"model"}]}' % MODEL.encode()


async def _main(servers: list[Server], ports: list[int]) -> None:
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()
    listening = [
        await asyncio.start_server(_Serving(server).connected, HOST, port, limit=1 << 24)
        for server, port in zip(servers, ports or [0] * len(servers), strict=True)
    ]
    print(json.dumps({"ports": [one.sockets[0].getsockname()[1] for one in listening]}), flush=True)

    def watch() -> None:
        while os.read(0, 1024):
            pass
        loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=watch, daemon=True).start()
    await closed.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loops.loop_factory()) as runner:
        given = msgspec.json.decode(sys.argv[1], type=list[Server])
        runner.run(_main(given, [int(port) for port in sys.argv[2:]]))
