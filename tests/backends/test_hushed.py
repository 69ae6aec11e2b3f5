"""A server that repeats what it was asked with: our key reaches no client, no log and no record."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from faults import Call, Faults

from bago_jupyter.backends import HttpBackend
from bago_jupyter.backends.hushed import hushed_body, hushed_events
from bago_jupyter.backends.peer import PeerBackend
from bago_jupyter.backends.target import Target
from bago_jupyter.core import Node
from bago_jupyter.errors import BagoError
from bago_jupyter.hidden import hide
from bago_jupyter.router.shape import Dialect
from bago_jupyter.settings import Settings
from bago_jupyter.trust.secret import Secret

KEY = 'sk-proj-"0aZ\\9'
SHORT = "sk-7"
ESCAPE = "\x1b]0;owned\x07\u202e\u2028"

Body = Callable[[str], tuple[bytes, bytes]]
"""Further headers and the body, of what was said."""


def packed(coding: str, pack: Callable[[bytes], bytes]) -> Body:
    header = f"content-encoding: {coding}\r\n".encode()
    return lambda said: (header, pack(json.dumps({"error": {"message": said, "type": "t"}}).encode()))


BODIES: dict[str, Body] = {
    "proper": lambda said: (b"", json.dumps({"error": {"message": said, "type": "t", "code": "c"}}).encode()),
    "a number as code": lambda said: (b"", json.dumps({"error": {"message": said, "code": 400}}).encode()),
    "as a name": lambda said: (
        b"",
        json.dumps({"error": {said: [said], "message": "m", "type": "t"}}).encode(),
    ),
    "unescaped": lambda said: (b"", json.dumps({"detail": said}, ensure_ascii=False).encode()),
    "text": lambda said: (b"", f"no: {said}".encode()),
    "no UTF-8": lambda said: (b"", f"no: {said}".encode() + b"\xff"),
    "a header": lambda said: (f"x-debug: {said.partition(ESCAPE)[0]}\r\n".encode(), b"{}"),
    "gzip": packed("gzip", gzip.compress),
    "deflate": packed("deflate", zlib.compress),
}


@pytest.mark.parametrize("key", [KEY, SHORT])
@pytest.mark.parametrize("how", BODIES)
def test_our_key_reaches_nobody(tmp_path: Path, how: str, key: str) -> None:
    statuses = iter((400, 401, 403, 404, 422, 429, 500, 503) * 4)

    async def server(call: Call) -> None:
        head = call.head.decode()
        asked = next(line for line in head.split("\r\n") if line.lower().startswith("authorization"))
        assert key in asked
        extra, body = BODIES[how](f"you sent {asked} {ESCAPE}")
        await call.json(body, next(statuses), extra)

    async def main() -> None:
        async with Faults(server) as up:
            backend = HttpBackend("up", up.url, ["m"], key=Secret(key), native=frozenset({"chat"}))
            node = Node(Settings.load({"home": tmp_path, "port": 0}, {}), backends=[backend])
            await node.start()
            seen: list[str] = []
            try:
                base = f"http://127.0.0.1:{node.file.port}"
                async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as http:
                    for path in ("/v1/chat/completions", "/v1/messages"):
                        for stream in (False, True):
                            for _ in range(8):
                                ask = {"model": "m", "max_tokens": 3, "stream": stream}
                                ask["messages"] = [{"role": "user", "content": "hi"}]
                                answer = await http.post(path, json=ask)
                                assert answer.status_code >= 400
                                seen += (str(answer.headers), answer.text, str(answer.json()))
                                node.dispatcher.books.forget(backend.id)  # it is asked again
                    admin = {"authorization": f"Bearer {node.file.admin_token}"}
                    for route in ("decisions", "topology", "log?lines=1000", "status"):
                        seen.append(str((await http.get(f"/api/v1/{route}", headers=admin)).json()))
            finally:
                await node.stop()
            assert len(up.calls) == 32
            seen.append(node.home.log.read_text())
            said = "\n".join(seen)
            assert key not in said and json.dumps(key)[1:-1] not in said
            assert not any(sign in said for sign in ESCAPE if sign not in ";0]owned")

    asyncio.run(main())


def test_a_message_repeats_no_key_and_no_control_character() -> None:
    hide("sk-a-long-enough-key")
    hide("ollama")
    error = BagoError(f"up says sk-a-long-\x07enough-key{ESCAPE}\r\nERROR forged\tollama")
    assert error.message == str(error) == "up says ***]0;owned ERROR forged ollama"


def test_what_needs_no_hushing_stays_as_it_is() -> None:
    for body in (b'{ "error": {"message": "a\\nb", "n": 1.50} }', b"", b"plain", "ä\n\tß".encode()):
        assert hushed_body(body, KEY) == body
    nested = b"[" * 100_000
    assert hushed_body(nested) == nested


class Told(NamedTuple):
    """An error under a status of success: its content type, and the pieces in which something is said."""

    kind: bytes
    pieces: Callable[[str], list[bytes]]


def event(said: str) -> bytes:
    return b"data: %b\n\n" % json.dumps({"error": {"message": said}}).encode()


WORDS = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
STREAM = b"text/event-stream"
SUCCESSES = {
    "a whole body": Told(
        b"application/json", lambda said: [json.dumps({"error": {"message": said}}).encode()]
    ),
    "the first event": Told(STREAM, lambda said: [event(said)]),
    "a later event": Told(STREAM, lambda said: [WORDS, event(said)]),
    "a later event of the same piece": Told(STREAM, lambda said: [WORDS + event(said)]),
    "a later event in pieces": Told(STREAM, lambda said: [WORDS, event(said)[:30], event(said)[30:]]),
    "the last, half ended": Told(STREAM, lambda said: [WORDS, event(said)[:-1]]),
    "a named event": Told(STREAM, lambda said: [WORDS, f"event: error\r\ndata: {said}\r\n\r\n".encode()]),
    "llama-server's": Told(STREAM, lambda said: [WORDS, f"error: {said}\n\n".encode()]),
}


@pytest.mark.parametrize("key", ["sk-plain-and-long-enough", "sk-1234"])
@pytest.mark.parametrize("how", SUCCESSES)
@pytest.mark.parametrize("route", ["short", "long", "translated"])
def test_an_error_under_a_status_of_success_repeats_no_key(
    tmp_path: Path, how: str, key: str, route: str
) -> None:
    kind, pieces = SUCCESSES[how]
    native: frozenset[Dialect] = frozenset({"chat"})

    async def server(call: Call) -> None:
        assert f"authorization: Bearer {key}".encode() in call.head
        if b"warm" in call.body:
            await call.json(b'{"choices":[{"index":0,"message":{"content":"hi"}}]}')
            return
        head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nx-echo: Bearer %b\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        await call.raw(head % (kind, key.encode()))
        for piece in pieces(f"bad key {key}!"):
            await call.chunk(piece)
            await asyncio.sleep(0.02)  # so that each is read by itself
        await call.raw(b"0\r\n\r\n")

    async def main() -> None:
        async with Faults(server) as up:
            backend = HttpBackend("up", up.url, ["m"], key=Secret(key), native=native)
            node = Node(Settings.load({"home": tmp_path, "port": 0}, {}), backends=[backend])
            await node.start()
            seen: list[str] = []
            try:
                base = f"http://127.0.0.1:{node.file.port}"
                async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as http:
                    path = "/v1/messages" if route == "translated" else "/v1/chat/completions"
                    ask: dict[str, object] = {"model": "m", "max_tokens": 3, "messages": []}
                    if route == "short":  # on a connection that was kept
                        warm = {**ask, "messages": [{"role": "user", "content": "warm"}]}
                        assert (await http.post(path, json=warm)).status_code == 200
                    ask["messages"] = [{"role": "user", "content": "hi"}]
                    answer = await http.post(path, json={**ask, "stream": True})
                    seen += (str(answer.headers), answer.text)
                    assert "bad key ***!" in answer.text or route == "translated"
                    admin = {"authorization": f"Bearer {node.file.admin_token}"}
                    for where in ("decisions", "topology", "log?lines=1000", "status"):
                        seen.append(str((await http.get(f"/api/v1/{where}", headers=admin)).json()))
            finally:
                await node.stop()
            seen.append(node.home.log.read_text())
            assert key not in "\n".join(seen)

    asyncio.run(main())


def test_only_errors_of_a_stream_are_hushed() -> None:
    """A key may be a word, as Ollama's is, and whole answers may tell of errors."""
    said = b'data: {"choices":[{"delta":{"content":"the error of ollama"}}],"error":null}\n\n: a\n\n'
    said += b"data: [DONE]\n\n"
    assert hushed_events(said, Secret("ollama")) == said
    told = b'event: x\ndata: {"error":\ndata: "ollama"}\r\n\r\n'
    assert hushed_events(said + told, Secret("ollama")) == said + told.replace(b"ollama", b"***")


def test_the_token_of_a_peer_is_looked_for_everywhere() -> None:
    peer = PeerBackend("fp:0123456789ab", "bob", Secret("a-token-of-a-peer"))
    peer.token = Secret("another-token-of-it")
    assert BagoError("a-token-of-a-peer, another-token-of-it").message == "***, ***"


def test_a_header_with_a_secret_is_looked_for_everywhere() -> None:
    Target("http://localhost", {"Authorization": "Bearer of-a-runner-0123", "x-kind": "not-secret-at-all"})
    assert BagoError("Bearer of-a-runner-0123, not-secret-at-all").message == "Bearer ***, not-secret-at-all"
