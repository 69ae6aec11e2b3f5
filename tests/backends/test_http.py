"""HTTP backends over real sockets: where requests go, with which key, and in which dialect."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from faults import Call, Faults

from bago_jupyter.backends.base import Request
from bago_jupyter.backends.http import HttpBackend, answerable
from bago_jupyter.backends.target import ANTHROPIC, GEMINI, OPENAI, Manner, Target
from bago_jupyter.errors import SettingsError, Unsupported, UpstreamFailed
from bago_jupyter.trust.secret import Secret

KEY = "sk-do-not-show-me"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def request(body: dict[str, Any] = CHAT, dialect: Any = "chat", **more: Any) -> Request:
    paths = {"chat": b"/v1/chat/completions", "messages": b"/v1/messages", "responses": b"/v1/responses"}
    fields: dict[str, Any] = {"path": paths[dialect], "model": body["model"], **more}
    return Request(id="r1", body=json.dumps(body).encode(), dialect=dialect, **fields)


def first_line(call: Call) -> bytes:
    return call.head.split(b"\r\n")[0]


def header(call: Call, name: bytes) -> list[bytes]:
    lines = [line.partition(b": ") for line in call.head.split(b"\r\n")[1:]]
    return [value for key, _, value in lines if key.lower() == name]


@pytest.mark.parametrize(
    ("base", "manner", "path"),
    [
        ("", OPENAI, "/v1/chat/completions"),
        ("/", OPENAI, "/v1/chat/completions"),
        ("/v1", OPENAI, "/v1/chat/completions"),
        ("/v1/", OPENAI, "/v1/chat/completions"),
        ("/openai/v1", OPENAI, "/openai/v1/chat/completions"),
        ("/proxy", OPENAI, "/proxy/v1/chat/completions"),
        ("/api/paas/v4", OPENAI, "/api/paas/v4/chat/completions"),
        ("/v1beta/openai", OPENAI, "/v1beta/openai/chat/completions"),
        ("/v1beta/openai", GEMINI, "/v1beta/openai/chat/completions"),
        ("/gateway/google", GEMINI, "/gateway/google/chat/completions"),
        ("/v1", ANTHROPIC, "/v1/chat/completions"),
    ],
)
def test_a_version_in_the_url_stands_in_place_of_ours(base: str, manner: Manner, path: str) -> None:
    async def main() -> None:
        async with Faults(lambda call: call.json()) as server:
            target = Target(server.url + base, manner=manner)
            (await target.send(request())).close()
            (await target.get("/health")).close()
            assert first_line(server.calls[0]) == b"POST %s HTTP/1.1" % path.encode()
            health = base.rstrip("/").removesuffix("/v1") + "/health"
            assert first_line(server.calls[1]) == b"GET %s HTTP/1.1" % health.encode()
            target.pool.close()

    run(main())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:80",
        "ftp://host",
        "http://",
        "http://h:99999",
        "http://h\r\nx: y",
        "http://[::1",
        "http://h/ x",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="URL"):
        Target(url)


def test_a_url_with_a_password_or_query_is_refused_without_showing_it() -> None:
    for url in ("https://me:hush@host/v1", "https://host/v1?key=hush", "https://host/v1#hush"):
        with pytest.raises(SettingsError) as caught:
            Target(url)
        assert "hush" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        Target("gopher://me:hush@host/v1")
    assert "hush" not in str(caught.value)


def test_each_manner_sends_its_key_once_and_shows_it_nowhere() -> None:
    async def main() -> None:
        async with Faults(lambda call: call.json()) as server:
            plain = HttpBackend("a", server.url, ["m"], key=Secret(KEY))
            claude = HttpBackend(
                "b", server.url, ["m"], key=Secret(KEY), manner=ANTHROPIC, native=frozenset({"messages"})
            )
            sent = [
                await plain.open(request(), next(iter(plain.offers()))),
                await claude.open(request(dialect="messages"), next(iter(claude.offers()))),
                await claude.open(
                    request(dialect="messages", headers=[(b"anthropic-version", b"2024-01-01")]),
                    next(iter(claude.offers())),
                ),
            ]
            for opened in sent:
                opened.exchange.close()
            (await claude.target.get("/v1/models")).close()
            first, second, third, listing = server.calls
            assert header(first, b"authorization") == [b"Bearer " + KEY.encode()]
            assert not header(first, b"x-api-key")
            for call, version in ((second, b"2023-06-01"), (third, b"2024-01-01"), (listing, b"2023-06-01")):
                assert header(call, b"x-api-key") == [KEY.encode()]
                assert not header(call, b"authorization")
                assert header(call, b"anthropic-version") == [version]
            for thing in (plain, claude, plain.target, claude.target, *plain.offers()):
                assert KEY not in repr(thing) + repr(getattr(thing, "__dict__", ""))
            await plain.close()
            await claude.close()

    run(main())


def test_the_model_is_called_as_the_server_knows_it() -> None:
    async def main() -> None:
        async with Faults(lambda call: call.json()) as server:
            backend = HttpBackend("gpu", server.url, ["m"])
            (offer,) = backend.offers()
            asked = request({**CHAT, "model": "gpu/m"})
            (await backend.open(asked, offer)).exchange.close()
            assert json.loads(server.calls[0].body) == CHAT
            assert json.loads(asked.body)["model"] == "gpu/m"
            await backend.close()

    run(main())


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_the_connections_fault_and_not_the_clients(status: int) -> None:
    async def main() -> None:
        async with Faults(lambda call: call.json(b'{"error":{"message":"bad key"}}', status)) as server:
            told: list[bool] = []
            backend = HttpBackend("gpu", server.url, ["m"], key=Secret(KEY))
            backend.refused = lambda: told.append(True)
            (offer,) = backend.offers()
            with pytest.raises(UpstreamFailed, match=f"gpu .*key.*{status}") as caught:
                await backend.open(request(), offer)
            assert KEY not in str(caught.value)
            assert told == [True] * (status == 401)
            without = HttpBackend("gpu", server.url, ["m"])
            opened = await without.open(request(), offer)
            assert opened.exchange.status == status
            opened.exchange.close()
            await backend.close()
            await without.close()

    run(main())


CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
GPT = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


async def both(call: Call) -> None:
    await call.json(json.dumps(CLAUDE if b"/messages" in first_line(call) else GPT).encode())


@pytest.mark.parametrize(("dialect", "spoken"), [("chat", "messages"), ("messages", "chat")])
def test_the_dialect_that_is_lacking_is_translated(dialect: Any, spoken: Any) -> None:
    async def main() -> None:
        async with Faults(both) as server:
            backend = HttpBackend("c", server.url, ["m"], native=frozenset({spoken}))
            (offer,) = backend.offers()
            assert offer.dialects == {"chat", "messages"}
            asked = request(
                {**CHAT, "model": "c/m", "max_tokens": 9},
                dialect,
                headers=[(b"content-type", b"application/json"), (b"anthropic-beta", b"x")],
            )
            opened = await backend.open(asked, offer)
            body = b""
            while part := await opened.exchange.read():
                body += part
            opened.exchange.close()
            (call,) = server.calls
            path = b"/v1/messages" if spoken == "messages" else b"/v1/chat/completions"
            assert first_line(call) == b"POST %s HTTP/1.1" % path
            assert json.loads(call.body)["model"] == "m"
            assert not header(call, b"anthropic-beta")
            answer = json.loads(body)
            if dialect == "chat":
                assert answer["choices"][0]["message"]["content"] == "Hello"
                assert answer["usage"]["completion_tokens"] == 2
            else:
                assert answer["content"][0]["text"] == "Hello"
                assert answer["usage"]["output_tokens"] == 2
            await backend.close()

    run(main())


def test_what_is_neither_spoken_nor_translated_is_said_before_it_is_sent() -> None:
    async def main() -> None:
        async with Faults(both) as server:
            backend = HttpBackend("c", server.url, ["m"], native=frozenset({"chat"}))
            (offer,) = backend.offers()
            count = request(dialect="messages", path=b"/v1/messages/count_tokens")
            with pytest.raises(Unsupported, match=r"c does not speak Anthropic messages.*count"):
                await backend.open(count, offer)
            with pytest.raises(Unsupported, match="cannot answer responses requests, only chat, messages"):
                await backend.open(request(dialect="responses"), offer)
            assert not server.calls

    run(main())


def test_a_backend_that_speaks_all_has_no_dialect_gate() -> None:
    async def main() -> None:
        (offer,) = HttpBackend("c", "http://127.0.0.1:1", ["m"]).offers()
        assert offer.dialects is None
        assert not offer.shared

    run(main())
    assert answerable(frozenset({"messages"})) == {"chat", "messages"}
    assert answerable(frozenset({"embeddings"})) == {"embeddings"}


@pytest.mark.parametrize("status", [301, 307])
def test_nobody_is_sent_after_a_redirect(status: int) -> None:
    async def main() -> None:
        async def elsewhere(call: Call) -> None:
            await call.json(b"", status, b"location: http://elsewhere.example/\r\n")

        async with Faults(elsewhere) as server:
            backend = HttpBackend("c", server.url, ["m"], key=Secret(KEY))
            (offer,) = backend.offers()
            with pytest.raises(UpstreamFailed, match=f"c redirects elsewhere .{status}"):
                await backend.open(request(), offer)
            await backend.close()

    run(main())


@pytest.mark.parametrize("url", ["ftp://ada:pa/ss@host", "http://ada:pa/ss@host:x", "ftp://host?key=pa/ss"])
def test_what_may_be_a_password_in_a_wrong_url_is_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Target(url)
    assert "ss" not in caught.value.message.replace("pass", "")
