"""Chat completions as a client asks for them, each with what became of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from .group import BenchError

PATIENCE = 200.0
"""Seconds without a byte after which the client gives up; longer than any of the node's own limits."""
Outcome = Literal["ok", "failed", "told", "cut"]
"""``failed``: not a byte of an answer came; ``told``: it broke off in the middle, with an error event;
``cut``: it broke off without a word."""


@dataclass
class Door:
    """Where to ask, and as whom; ``inside`` is entered while a connection is made."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    inside: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext

    @contextlib.contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """A connection of its own, as scripts make one."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        made = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
        try:
            with self.inside():
                made.connect()
            made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield made
        finally:
            made.close()

    def post(self, connection: http.client.HTTPConnection, body: dict[str, Any]) -> http.client.HTTPResponse:
        """Send one chat completion request and wait for the head of the answer."""
        headers = {"content-type": "application/json", **self.headers}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        return connection.getresponse()


@dataclass
class Reply:
    """One request; times are ``time.monotonic()``."""

    began: float
    outcome: Outcome = "failed"
    first: float = 0.0
    """The first event of a stream, or the whole of another answer."""
    token: float = 0.0
    """The first piece of text of a stream."""
    ended: float = 0.0
    status: int = 0
    node: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    """The answer that is no stream; the last event that tells the usage, or the error, of one."""
    why: str = ""

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def ask(door: Door, body: dict[str, Any]) -> Reply:
    """Ask once, and never raise."""
    reply = Reply(time.monotonic())
    try:
        with door.connection() as connection:
            response = door.post(connection, body)
            reply.status = response.status
            reply.node = response.headers.get("x-bago-node", "")
            if response.status != 200:
                reply.why = response.read(500).decode("utf-8", "replace")
            elif body.get("stream"):
                _stream(reply, response)
            else:
                reply.body = json.loads(response.read())
                reply.outcome, reply.first = "ok", time.monotonic()
    except (OSError, http.client.HTTPException, ValueError) as error:
        reply.outcome = "cut" if reply.first or reply.status == 200 else "failed"
        reply.why = repr(error)
    reply.ended = time.monotonic()
    return reply


def _stream(reply: Reply, response: http.client.HTTPResponse) -> None:
    reply.outcome = "cut"  # until its last word
    for line in response:
        if not line.startswith(b"data: "):
            continue
        if line.startswith(b"data: [DONE]"):
            reply.outcome = "ok"
            break
        event = json.loads(line[6:])
        if "error" in event:
            reply.outcome = "told" if reply.first else "failed"
            reply.body, reply.why = event, str(event["error"])
            break
        now = time.monotonic()
        reply.first = reply.first or now
        if not reply.token and any(c["delta"].get("content") for c in event.get("choices", ())):
            reply.token = now
        if event.get("usage"):
            reply.body = event


def batch(door: Door, bodies: Sequence[dict[str, Any]], at_once: int) -> list[Reply]:
    """Ask for all of them, so many at once, in the order given."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda body: ask(door, body), bodies))


def span(replies: Iterable[Reply]) -> float:
    """Seconds from the first request to the end of the last answer."""
    replies = list(replies)
    return max(reply.ended for reply in replies) - min(reply.began for reply in replies)


def need(replies: Iterable[Reply], what: str) -> None:
    """Raise :class:`BenchError` unless every reply is whole."""
    for reply in replies:
        if reply.outcome != "ok":
            raise BenchError(f"{what}: {reply.outcome}, {reply.status} {reply.why}")
