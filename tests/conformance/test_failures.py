"""What goes wrong, as the packages raise it; and what one client's mistake costs the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import psutil
import pytest
from mesh.hosts import Node, until

from conformance.desk import FIXED, HELLO, KEY, busy

CHAT = "/v1/chat/completions"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
LONG: dict[str, Any] = {"stream": True, "max_tokens": 900, "extra_body": {"ignore_eos": True, **FIXED}}
"""As many tokens as asked for: `/v1/messages` of llama-server knows no `ignore_eos`, greedy it goes on."""


def test_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"known: .*smol") as caught:
        client.chat.completions.create(model="gpt-5", messages=HELLO)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert caught.value.request_id
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-5", messages=HELLO, stream=True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"messages": "hello"}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": 5}]}, "content"),
        ({"messages": [{"role": "banana", "content": "x"}], "model": "caller"}, "no role banana"),
        ({"tools": "x"}, "tools"),
        ({"tools": [{"type": "banana"}]}, "banana"),
        ({"grammar": "root ::= ("}, "grammar"),
        ({"model": ""}, "model"),
        ({"model": ["smol"]}, "model"),
    ],
)
def test_wrong_fields(client: openai.OpenAI, wrong: dict[str, Any], said: str) -> None:
    body = {"model": "smol", "messages": HELLO, "max_tokens": 1, **wrong}
    with pytest.raises(openai.BadRequestError, match=said) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.code


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe{}", b'{"model": "smol"} x', b"model=smol"])
@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
def test_no_json(http: httpx.Client, path: str, body: bytes) -> None:
    got = http.post(path, content=body)
    assert got.status_code == 400
    assert got.json()["error"]["type"] == "invalid_request_error"
    assert got.json()["error"]["message"]


def test_too_long(client: openai.OpenAI) -> None:
    """By the runner's count, by the gate's, as much as may be sent at all, and more than that."""
    for words in (1_100, 20_000, 380_000):
        asked: Any = [{"role": "user", "content": "word " * words}]
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError) as caught:
                client.chat.completions.create(model="smol", messages=asked, stream=stream)
            assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.APIStatusError, match="MiB") as large:
        client.chat.completions.create(model="smol", messages=[{"role": "user", "content": "x" * 2_200_000}])
    assert (large.value.status_code, large.value.code) == (413, "request_too_large")


def test_wrong_key(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY[:-1], max_retries=0) as wrong:
        for ask in (wrong.models.list, lambda: wrong.chat.completions.create(model="smol", messages=HELLO)):
            with pytest.raises(openai.AuthenticationError, match="key is wrong") as caught:
                ask()
            assert caught.value.code == "invalid_api_key"
            assert KEY[:-1] not in str(caught.value)


def test_no_such_route(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no route POST /v1/moderations"):
        client.moderations.create(input="x")


def test_requests_that_llama_server_calls_its_own_failure(
    client: openai.OpenAI, claude: anthropic.Anthropic, ada: Node, bob: Node
) -> None:
    """Five times each, and bob still answers everybody: no breaker opens for a client's mistake."""
    picture: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}]
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    block: Any = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    sound: Any = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    for _ in range(5):
        with pytest.raises(openai.BadRequestError, match="image input is not supported") as caught:
            client.chat.completions.create(model="smol", messages=picture)
        assert caught.value.code == "unsupported"
        with pytest.raises(openai.BadRequestError, match="audio input is not supported"):
            client.chat.completions.create(model="smol", messages=[{"role": "user", "content": [sound]}])
        with pytest.raises(anthropic.BadRequestError, match="image input is not supported"):
            claude.messages.create(model="smol", max_tokens=2, messages=block)
        with pytest.raises(openai.BadRequestError, match="Failed to parse tools"):
            client.chat.completions.create(model="smol", messages=HELLO, tools=[{"type": "x"}])  # type: ignore[list-item]
    assert ada.routes_to(bob)
    assert client.chat.completions.create(model="smol", messages=HELLO, max_tokens=1).choices


def kill_the_runner(bob: Node, model: str) -> None:
    (pid,) = [
        info.pid
        for info in bob.client.status().runners
        if (info.model, info.task) == (model, "generate") and info.pid
    ]
    psutil.Process(pid).kill()


def test_a_stream_that_breaks_is_an_error(
    client: openai.OpenAI, claude: anthropic.Anthropic, bob: Node
) -> None:
    """What breaks three times in a row is left alone for seconds, which the packages wait for."""
    client, claude = client.with_options(max_retries=5), claude.with_options(max_retries=5)
    streams: list[tuple[Callable[[], Any], type[Exception]]] = [
        (lambda: client.chat.completions.create(model="caller", messages=HELLO, **LONG), openai.APIError),
        (lambda: client.completions.create(model="caller", prompt="One", **LONG), openai.APIError),
        (
            lambda: client.responses.create(
                model="caller", input="One", stream=True, max_output_tokens=900, extra_body=LONG["extra_body"]
            ),
            openai.APIError,
        ),
        (lambda: claude.messages.create(model="caller", messages=HELLO, **LONG), anthropic.APIError),
    ]
    for begin, error in streams:
        bob.client.load("caller")
        with begin() as stream:
            pieces = iter(stream)
            for _ in range(6):
                next(pieces)
            kill_the_runner(bob, "caller")
            with pytest.raises(error, match="in the middle of its answer"):
                list(pieces)
    got = client.chat.completions.create(model="caller", messages=HELLO, max_tokens=1)
    assert got.choices


def test_closing_a_stream_frees_the_slot(client: openai.OpenAI, bob: Node) -> None:
    before = bob.client.status().requests.cancelled
    stream = client.chat.completions.create(model="smol", messages=HELLO, **LONG)
    next(iter(stream))
    until(lambda: busy(bob))
    stream.close()
    until(lambda: bob.client.status().requests.cancelled == before + 1)
    until(lambda: not busy(bob))


def test_a_client_that_runs_out_of_patience(client: openai.OpenAI, bob: Node) -> None:
    before = bob.client.status().requests.cancelled
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="smol", messages=HELLO, **{**LONG, "stream": False}, timeout=2)
    until(lambda: bob.client.status().requests.cancelled == before + 1)
    until(lambda: not busy(bob), every=2.5)  # a look at the slots keeps llama-server from its own


def test_twenty_at_once(url: str, bob: Node) -> None:
    async def ask(number: int) -> str:
        async with openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=120
        ) as client:
            said: list[Any] = [{"role": "user", "content": f"Number {number}."}]
            asked: dict[str, Any] = {"model": "smol", "messages": said, "max_tokens": 4, **FIXED}
            if number % 2:
                got = await client.chat.completions.create(**asked)
                return got.choices[0].message.content or ""
            stream = await client.chat.completions.create(**asked, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(ask, range(20)))

    assert all(asyncio.run(all_of_them()))
    until(lambda: not busy(bob))
