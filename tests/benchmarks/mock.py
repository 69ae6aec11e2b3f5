"""An OpenAI-compatible server that computes nothing: one short JSON answer, or an SSE stream of timed events.

``python -m tests.benchmarks.mock PORT``. A streamed answer has :data:`EVENTS` events, one per
:data:`INTERVAL` seconds, each in a write of its own with the time of that write in it.

It is an epoll loop of its own because an event loop's timers have a millisecond's grain: streams would
come in bursts, and the bursts' queue would be measured instead of the relay.
"""

from __future__ import annotations

import gc
import json
import select
import socket
import sys
import time
from collections import deque

import httptools

EVENTS = 100
INTERVAL = 0.01

COMPLETION = json.dumps(
    {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "mock",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "A relay sends each part on as soon as it has it.",
                },
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 61, "completion_tokens": 12, "total_tokens": 73},
    },
    separators=(",", ":"),
)
MODELS = '{"object":"list","data":[{"id":"mock","object":"model","created":1700000000,"owned_by":"bench"}]}'


def _json(text: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    return (head + text).encode()


def _chunk(text: str) -> bytes:
    return f"{len(text):x}\r\n{text}\r\n".encode()


_COMPLETION = _json(COMPLETION)
_MODELS = _json(MODELS)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_TIME = "0" * 20
_EVENT = _chunk(
    'data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1700000000,"model":"mock",'
    '"choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}],"t":' + _TIME + "}\n\n"
)
_BEFORE, _, _AFTER = _EVENT.partition(_TIME.encode())
_END = _chunk("data: [DONE]\n\n") + b"0\r\n\r\n"
_INTERVAL_NS = int(INTERVAL * 1e9)


class _Connection:
    """One client; its requests come one after another."""

    def __init__(self, sock: socket.socket, due: deque[_Connection]):
        self.sock = sock
        self.due = due
        self.parser = httptools.HttpRequestParser(self)
        self.left = 0
        self.at = 0

    def on_url(self, url: bytes) -> None:
        self.models = url.startswith(b"/v1/models")

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        if self.models:
            self.sock.send(_MODELS)
        elif b'"stream":true' in self.body or b'"stream": true' in self.body:
            self.sock.send(_HEAD)
            self.left = EVENTS
            self.at = time.monotonic_ns()
            self.tick()
        else:
            self.sock.send(_COMPLETION)

    def tick(self) -> None:
        self.sock.send(b"%b%020d%b" % (_BEFORE, time.monotonic_ns(), _AFTER))
        self.left -= 1
        if self.left:
            self.at += _INTERVAL_NS
            self.due.append(self)  # all wait equally long, so the queue stays in order
        else:
            self.sock.send(_END)


def serve(port: int) -> None:
    """Answer until standard input closes."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    poll.register(sys.stdin, select.EPOLLIN)
    due: deque[_Connection] = deque()
    connections: dict[int, _Connection] = {}
    while True:
        wait = max(0, due[0].at - time.monotonic_ns()) / 1e9 if due else None
        if select.select([poll], [], [], wait)[0]:  # epoll itself would round up to milliseconds
            for number, _ in poll.poll(0):
                if number == listener.fileno():
                    sock, _ = listener.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connections[sock.fileno()] = _Connection(sock, due)
                    poll.register(sock, select.EPOLLIN)
                elif number in connections:
                    if not _receive(connections[number]):
                        connections.pop(number).sock.close()
                else:
                    return
        now = time.monotonic_ns()
        while due and due[0].at <= now:
            connection = due.popleft()
            try:
                connection.tick()
            except OSError:
                connection.left = 0


def _receive(connection: _Connection) -> bool:
    try:
        data = connection.sock.recv(65536)
        connection.parser.feed_data(data)
    except (OSError, httptools.HttpParserError):
        return False
    return bool(data)


if __name__ == "__main__":
    gc.disable()
    serve(int(sys.argv[1]))
