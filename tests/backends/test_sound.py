"""Failures under status 200, answers of the other kind, and what comes packed."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from backends.failing import SOON, Mesh, Script, good, run
from faults import Call

from bago_jupyter.backends.coded import PIECE
from bago_jupyter.errors import BagoError, UpstreamFailed, UpstreamTimeout
from bago_jupyter.router import Shape

WHOLE = Shape(model="m")
STREAM = Shape(model="m", stream=True)
QUOTA = {"error": {"message": "quota is over", "type": "insufficient_quota", "code": 429}}
HELLO = {"choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}


def body(data: bytes, kind: bytes = b"application/json", status: int = 200, extra: bytes = b"") -> Script:
    """A server that answers with ``data``."""
    head = b"HTTP/1.1 %d X\r\ncontent-type: %b\r\ncontent-length: %d\r\n" % (status, kind, len(data))
    return lambda call: call.raw(head + extra + b"\r\n" + data)


def events(*data: bytes) -> Script:
    """A server that answers with these pieces of a stream."""

    async def script(call: Call) -> None:
        await call.sse_head()
        for piece in data:
            await call.chunk(piece)
        await call.raw(b"0\r\n\r\n")

    return script


FAILURES: dict[str, Script] = {
    "login page": body(b"<html>Please log in</html>", b"text/html"),
    "login page in capitals": body(b"\n<HTML>", b"application/json"),
    "text": body(b"upstream connect error", b"text/plain"),
    "error object": body(json.dumps(QUOTA).encode()),
    "error object of vLLM": body(b'{"object":"error","message":"quota is over","code":429}'),
    "error in a list": body(json.dumps([QUOTA]).encode()),
    "detail": body(b'{"detail":"Not authenticated"}'),
    "empty": body(b""),
    "blank": body(b" \r\n"),
    "no content": body(b"", status=204),
    "reset content": body(b'{"choices":[1]}', status=205),
    "half": body(b'{"choices":[{"index":0,"mess'),
    "empty stream": events(),
    "comments": events(b": a\n\n", b": b\n\n"),
    "done": events(b"data: [DONE]\n\n"),
    "error event": events(b"data: " + json.dumps(QUOTA).encode() + b"\n\n"),
    "named error event": events(b'event: error\ndata: {"message":"no"}\n\n'),
    "error event behind comments": events(b": a\n\n: b\n", b'\ndata: {"err', b'or":{"message":"no"}}\n\n'),
    "error of llama-server": events(b'error: {"code":500,"message":"no"}\n\n'),
    "failed response": events(b'event: response.failed\ndata: {"type":"response.failed","response":{}}\n\n'),
}
EACH = pytest.mark.parametrize("bad", FAILURES.values(), ids=FAILURES)


@EACH
@pytest.mark.parametrize("shape", [WHOLE, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("kept", [False, True])
def test_it_fails_over_and_counts(bad: Script, shape: Shape, kept: bool) -> None:
    """``kept`` is whether there was a connection already."""

    async def main() -> None:
        async def script(call: Call) -> None:
            await (body(json.dumps(HELLO).encode()) if kept and call.number == 1 else bad)(call)

        async with Mesh(script, events(b"data: 1\n\n") if shape.stream else good) as mesh:
            if kept:
                await mesh.ask()
            assert await mesh.ask(shape)
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "b"]
            first = mesh.last.attempts[0]
            assert first.outcome == "failed" and first.detail and "\n" not in first.detail
            (breaker,) = mesh.dispatcher.breakers.all.values()
            assert breaker.failures == 1
            assert all(load.in_flight == load.work == 0 for load in mesh.dispatcher.loads.values())

    run(main())


@EACH
@pytest.mark.parametrize("shape", [WHOLE, STREAM], ids=["whole", "stream"])
def test_where_nobody_else_is_it_is_an_error(bad: Script, shape: Shape) -> None:
    async def main() -> None:
        async with Mesh(bad) as mesh:
            with pytest.raises(BagoError) as caught:
                await mesh.ask(shape)
            assert caught.value.status >= 400
            assert mesh.dispatcher.counts.failed == 1

    run(main())


@pytest.mark.parametrize(("status", "asked"), [(400, 1), (429, 2), (401, 2), (403, 2), (404, 2), (None, 2)])
def test_the_error_says_whose_fault_it_is(status: int | None, asked: int) -> None:
    async def main() -> None:
        error = {"message": "no", "code": status}
        async with Mesh(body(json.dumps({"error": error}).encode()), good) as mesh:
            if asked == 1:
                with pytest.raises(UpstreamFailed) as caught:
                    await mesh.ask()
                assert caught.value.status == status
            else:
                assert b"usage" in await mesh.ask()
            assert len(mesh.last.attempts) == asked

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b'{"choices":[{"message":{"content":"\\"error\\":{}"}}],"error":null}',
        b'{"error":null,"choices":[1]}',
        b'{"error":{},"choices":[1]}',
        b'{"warnings":[],"error":{"message":"a remark"},"choices":[1]}',
        b'\n \n{"choices":[1]}',
        b"[[0.5]]",
        b"{}",
    ],
)
def test_what_is_an_answer_passes_as_it_is(answer: bytes) -> None:
    async def main() -> None:
        async with Mesh(body(answer), good) as mesh:
            assert await mesh.ask() == answer
            assert len(mesh.last.attempts) == 1

    run(main())


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/json", b"text/plain"])
def test_a_stream_is_known_by_what_it_says(kind: bytes) -> None:
    async def main() -> None:
        data = b": hi\n\ndata: 1\n\ndata: [DONE]\n\n"
        async with Mesh(body(data, kind)) as mesh:
            answer = await mesh.open(STREAM)
            assert dict(answer.headers)[b"content-type"].startswith(b"text/event-stream")
            assert await answer.read_all() == data

    run(main())


def test_a_stream_of_nothing_but_comments_ends() -> None:
    async def main() -> None:
        async def script(call: Call) -> None:
            await call.sse_head()
            while not call.gone.is_set():
                await call.chunk(b": alive\n\n")
                await asyncio.sleep(0.005)

        async with Mesh(script) as mesh:
            mesh.request["header_timeout"] = 0.2
            with pytest.raises(UpstreamTimeout, match=r"said nothing in it for 0\.2 s"):
                await mesh.ask(STREAM)
            await mesh.servers[0].calls[0].gone.wait()

    run(main())


@pytest.mark.parametrize("shape", [WHOLE, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("nothing", [b"\n", b": alive\n\n"], ids=["blanks", "comments"])
def test_an_answer_without_a_word_ends(shape: Shape, nothing: bytes) -> None:
    async def main() -> None:
        async def script(call: Call) -> None:
            await call.sse_head()
            while not call.gone.is_set():
                await call.chunk(nothing)
                await asyncio.sleep(0.005)

        async with Mesh(script, events(b"data: 1\n\n") if shape.stream else good) as mesh:
            mesh.request["header_timeout"] = SOON
            assert await mesh.ask(shape)
            assert "said nothing in it for 1 s" in mesh.last.attempts[0].detail
            await mesh.servers[0].calls[0].gone.wait()

    run(main())


@pytest.mark.parametrize("shape", [WHOLE, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("nothing", [b" " * 8192, b":" + b"." * 99_998 + b"\n"], ids=["blanks", "comments"])
def test_an_answer_without_a_word_and_without_end_is_not_kept(shape: Shape, nothing: bytes) -> None:
    async def main() -> None:
        sent = 0

        async def script(call: Call) -> None:
            nonlocal sent
            await call.sse_head()
            while not call.gone.is_set():
                await call.chunk(nothing)
                sent += len(nothing)
                await asyncio.sleep(0)

        async with Mesh(script) as mesh:
            with pytest.raises(UpstreamFailed, match=r"nothing but blanks|too long"):
                await mesh.ask(shape)
            assert sent < 24 << 20

    run(main())


@pytest.mark.parametrize("shape", [WHOLE, STREAM], ids=["whole", "stream"])
def test_a_word_behind_blanks_is_given_time(shape: Shape) -> None:
    """As servers do that keep a connection alive with them; a whole answer may be slow then."""

    async def main() -> None:
        async def script(call: Call) -> None:
            await call.sse_head()
            for _ in range(50):
                await call.chunk(b"\n")
                await asyncio.sleep(0)
            if shape.stream:
                await call.chunk(b"data: 1\n\n")
            else:
                await call.chunk(b"{")
                await asyncio.sleep(2.2)
                await call.chunk(b'"choices":[1]}')
            await call.raw(b"0\r\n\r\n")

        async with Mesh(script) as mesh:
            mesh.request["header_timeout"] = 2.0
            assert (await mesh.ask(shape)).strip() in (b"data: 1", b'{"choices":[1]}')

    run(main())


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "two members": (b"x-gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "padded": (b"gzip", lambda data: gzip.compress(data) + bytes(700)),
    "padded members": (b"gzip", lambda data: gzip.compress(data[:9]) + bytes(9) + gzip.compress(data[9:])),
    "deflate": (b"Deflate", zlib.compress),
    "bare deflate": (b"deflate", deflated),
    "identity": (b"identity", bytes),
}


@pytest.mark.parametrize(("coding", "pack"), PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("status", [200, 400])
def test_what_comes_packed_is_unpacked(coding: bytes, pack: Callable[[bytes], bytes], status: int) -> None:
    async def main() -> None:
        plain = json.dumps({"error": {"message": "out of range"}} if status == 400 else HELLO).encode()
        extra = b"content-encoding: " + coding + b"\r\n"
        async with Mesh(body(pack(plain), status=status, extra=extra)) as mesh:
            answer = await mesh.open()
            assert (answer.status, await answer.read_all()) == (status, plain)
            assert coding == b"identity" or b"content-encoding" not in dict(answer.headers)
            assert b"accept-encoding: identity" in mesh.servers[0].calls[0].head

    run(main())


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_packed_stream_arrives_as_it_is_said(size: int) -> None:
    plain = b"".join(b'data: {"n":%d}\n\n' % number for number in range(300)) + b"data: [DONE]\n\n"

    async def main() -> None:
        data = gzip.compress(plain)

        async def script(call: Call) -> None:
            await call.raw(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
                b"transfer-encoding: chunked\r\n\r\n"
            )
            for start in range(0, len(data), size):
                await call.chunk(data[start : start + size])
            await call.raw(b"0\r\n\r\n")

        async with Mesh(script) as mesh:
            assert await mesh.ask(STREAM) == plain
            assert mesh.last.outcome == "ok"

    run(main())


@pytest.mark.parametrize("coding", ["gzip", "deflate", "bare deflate"])
@pytest.mark.parametrize("more", [-1, 0, 1, 25, 100])
def test_a_packed_answer_of_a_piece_and_a_few_bytes_is_whole(coding: str, more: int) -> None:
    async def main() -> None:
        plain = (b'{"choices":[1]}' + b"  \n" * PIECE)[: PIECE + more]
        name, pack = PACKED[coding]
        async with Mesh(body(pack(plain), extra=b"content-encoding: " + name + b"\r\n")) as mesh:
            assert await mesh.ask() == plain

    run(main())


def test_a_packed_bomb_is_unpacked_in_pieces() -> None:
    async def main() -> None:
        data = zlib.compress(b'{"x":"' + bytes(64 << 20), 9)
        async with Mesh(body(data, extra=b"content-encoding: deflate\r\n")) as mesh:
            answer = await mesh.open()
            assert len(answer.begun) <= 4 << 20
            answer.close()

    run(main())


@pytest.mark.parametrize("coding", [b"br", b"gzip, gzip", b"gzip"])
def test_what_cannot_be_unpacked_is_a_failure(coding: bytes) -> None:
    extra = b"content-encoding: " + coding + b"\r\n"

    async def main() -> None:
        async with Mesh(body(b"\x0bxyz", extra=extra), good) as mesh:
            assert b"usage" in await mesh.ask()
        async with Mesh(body(b"\x0bxyz", status=400, extra=extra)) as mesh:
            answer = await mesh.open()
            assert (answer.status, await answer.read_all()) == (400, b"")
        async with Mesh(
            body(gzip.compress(b'{"choices":[1]}')[:-9], extra=b"content-encoding: gzip\r\n")
        ) as mesh:
            with pytest.raises(UpstreamFailed, match="is cut"):
                await mesh.ask()

    run(main())


def heard(data: bytes) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in data.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def test_a_whole_answer_is_delivered_as_a_stream() -> None:
    async def main() -> None:
        async with Mesh(body(json.dumps(HELLO).encode())) as mesh:
            data = await mesh.ask(STREAM)
            first, last = heard(data)
            assert first["choices"][0]["delta"] == {"role": "assistant", "content": "hello"}
            assert last["choices"][0]["finish_reason"] == "stop"
            assert data.endswith(b"data: [DONE]\n\n")
            assert mesh.last.outcome == "ok"

    run(main())


def test_a_stream_is_delivered_as_a_whole_answer() -> None:
    async def main() -> None:
        said = [
            b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % it
            for it in (b"a", b"b")
        ]
        async with Mesh(events(*said, b"data: [DONE]\n\n")) as mesh:
            answer = await mesh.open()
            told = json.loads(await answer.read_all())
            assert told["choices"][0]["message"] == {"role": "assistant", "content": "ab"}
            assert (told["id"], told["object"]) == ("c", "chat.completion")
            assert dict(answer.headers)[b"content-type"] == b"application/json"

    run(main())


def test_pieces_of_a_call_go_to_the_newest_of_its_index() -> None:
    """As servers tell them that give every call the same index."""

    def piece(**call: Any) -> bytes:
        delta = {"tool_calls": [{"index": 0, **call}]}
        return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"

    async def main() -> None:
        said = [
            piece(id=name, function={"name": name, "arguments": ""})
            + piece(function={"arguments": '{"of":'})
            + piece(function={"arguments": f'"{name}"}}'})
            for name in ("a", "b")
        ]
        async with Mesh(events(*said, b"data: [DONE]\n\n")) as mesh:
            (choice,) = json.loads(await mesh.ask())["choices"]
            calls = {call["id"]: call["function"]["arguments"] for call in choice["message"]["tool_calls"]}
            assert calls == {"a": '{"of":"a"}', "b": '{"of":"b"}'}

    run(main())
