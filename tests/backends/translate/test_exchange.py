from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from backends.translate.telling import (
    Canned,
    chat_events,
    decode,
    encode,
    messages_events,
    payloads,
    start,
    stop,
    text_block,
)

from bago_jupyter.backends.base import Answering
from bago_jupyter.backends.translate import CHAT_TO_MESSAGES, MESSAGES_TO_CHAT, exchange
from bago_jupyter.backends.translate.failures import BackendError
from bago_jupyter.errors import UpstreamFailed, UpstreamTimeout

T = TypeVar("T")
SSE = b"text/event-stream"
WHOLE = encode(
    {"id": "msg_1", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "usage": {}}
)
STREAM = messages_events(start(), *text_block(0, "Hi"), *stop("end_turn"))
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def rest(answer: Answering) -> bytes:
    parts = []
    while chunk := await answer.read():
        parts.append(chunk)
    return b"".join(parts)


@pytest.mark.parametrize("here", [True, False])
def test_a_whole_answer_comes_in_one_piece(here: bool) -> None:
    async def work() -> None:
        canned = Canned([WHOLE[:10], WHOLE[10:]], here=here, headers=[(b"request-id", b"r")])
        answer = CHAT_TO_MESSAGES.exchange(canned, False)
        assert answer.complete is here and answer.status == 200
        assert answer.headers == [(b"request-id", b"r"), (b"content-type", b"application/json")]
        assert answer.header(b"content-length") is None
        assert decode(await answer.read())["choices"][0]["message"]["content"] == "Hi"
        assert answer.complete and await answer.read() == b""
        answer.close()
        assert canned.closed

    run(work())


@pytest.mark.parametrize("here", [True, False])
def test_a_stream_is_complete_when_the_backends_is(here: bool) -> None:
    async def work() -> None:
        answer = CHAT_TO_MESSAGES.exchange(Canned([STREAM[:50], STREAM[50:]], SSE, here=here), True)
        assert answer.complete is here
        assert (answer.header(b"content-type") or b"").startswith(SSE)
        out = await answer.read()
        if here:  # one read returns all of it
            assert out.endswith(b"data: [DONE]\n\n")
        else:
            assert not answer.complete
            out += await rest(answer)
        assert answer.complete and await answer.read() == b""
        assert payloads(out)[-1] == "[DONE]"

    run(work())


def test_the_client_is_heard_about_its_usage() -> None:
    async def work(asked: bytes) -> list[Any]:
        return payloads(await rest(CHAT_TO_MESSAGES.exchange(Canned([STREAM], SSE), True, asked)))

    assert run(work(b'{"stream_options":{"include_usage":true}}'))[-2]["choices"] == []
    for asked in (b"", b'{"stream_options":{"include_usage":false}}', b'{"user":"include_usage"'):
        assert run(work(asked))[-2]["choices"] != []


def test_a_stream_that_stops_can_be_broken_off() -> None:
    async def work() -> None:
        canned = Canned([STREAM[:-30], STREAM[-30:]], SSE)
        answer = CHAT_TO_MESSAGES.exchange(canned, True)
        assert await answer.read()
        canned.fail(UpstreamTimeout("too long"))
        with pytest.raises(UpstreamTimeout, match="too long"):
            await answer.read()

    run(work())


@pytest.mark.parametrize("here", [True, False])
def test_an_error_in_the_middle_is_raised_after_what_came_before(here: bool) -> None:
    async def work() -> None:
        data = messages_events(start(), *text_block(0, "Hi"), ERROR)
        answer = CHAT_TO_MESSAGES.exchange(Canned([data], SSE, here=here), True)
        assert payloads(await answer.read())[-1]["choices"][0]["delta"] == {"content": "Hi"}
        assert not answer.complete
        for _ in range(2):
            with pytest.raises(BackendError, match="Overloaded") as caught:
                await answer.read()
            assert caught.value.status == 503
        assert not answer.complete

    run(work())


def test_an_error_as_the_first_event_leaves_the_choice_of_another_backend() -> None:
    async def work() -> None:
        answer = CHAT_TO_MESSAGES.exchange(Canned([messages_events(ERROR)], SSE), True)
        with pytest.raises(BackendError, match="Overloaded"):
            await answer.read()

    run(work())


def test_a_stream_that_ends_too_early_is_raised() -> None:
    async def work() -> None:
        answer = MESSAGES_TO_CHAT.exchange(Canned([chat_events({"content": "a"}, done=False)], SSE), True)
        assert b"message_start" in await answer.read()
        with pytest.raises(UpstreamFailed, match="in the middle"):
            await answer.read()
        assert not answer.complete

    run(work())


@pytest.mark.parametrize("stream", [True, False])
def test_errors_keep_their_status(stream: bool) -> None:
    async def work() -> None:
        body = encode({"error": {"message": "Slow down", "code": 429}})
        canned = Canned([body], status=429, headers=[(b"retry-after", b"7")])
        answer = MESSAGES_TO_CHAT.exchange(canned, stream)
        assert answer.status == 429 and answer.header(b"retry-after") == b"7"
        assert answer.header(b"content-type") == b"application/json"
        told = decode(await rest(answer))
        assert told == {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
        assert answer.complete
        assert CHAT_TO_MESSAGES.exchange(Canned([encode(ERROR)], status=529), stream).status == 503

    run(work())


@pytest.mark.parametrize(
    ("canned", "stream", "said"),
    [
        (Canned([b"<html>"]), False, "with a web page"),
        (Canned([b"\xff"]), False, "no answer"),
        (Canned([b"[1, }"]), False, "cannot be read"),
        (Canned([b"{}"]), False, "no chat completion"),
        (Canned([b"{}"]), True, "in one piece"),
        (Canned([b"x"], headers=[(b"content-encoding", b"gzip")]), False, "packed with gzip"),
        (Canned([b"x"], headers=[(b"content-encoding", b"br")]), False, "packed with br"),
        (Canned([b"[", b" "]), True, "cannot be read"),
        (Canned([b"data: " + b"x" * 100], SSE), True, "too long"),
        (Canned([b"{" + b"x" * 59, b"x" * 59 + b"}"]), False, "larger than"),
    ],
)
def test_what_cannot_be_translated_is_raised(
    canned: Canned, stream: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bago_jupyter.sse.MAX_EVENT", 99)
    monkeypatch.setattr(exchange, "MAX_WHOLE", 99)

    async def work() -> None:
        answer = MESSAGES_TO_CHAT.exchange(canned, stream)
        for _ in range(2):
            with pytest.raises(UpstreamFailed, match=said):
                await answer.read()
        assert not answer.complete

    run(work())
