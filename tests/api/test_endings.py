"""How answers begin and end on the way of most requests: on a connection that was kept, without a task."""

from __future__ import annotations

import asyncio
import json

import pytest
from api.inside import LOOPS, Loop, Streams, ask, connect, heard, quiet, run, running
from backends.test_sound import FAILURES, HELLO
from faults import Call, Faults

from bago_jupyter.backends import HttpBackend
from bago_jupyter.core import Node

pytestmark = pytest.mark.parametrize("loop", LOOPS)
GOOD = json.dumps(HELLO).encode()
SAID = [b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % text for text in (b"one ", b"two")]
DONE = b"data: [DONE]\n\n"
LAST = {
    "chat": DONE,
    "no space": b"data:[DONE]\n\n",
    "messages": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    "responses": b'event: response.completed\ndata: {"type":"response.completed","x":"%b"}\n\n'
    % (b"x" * 9999),
}


async def warm(node: Node) -> Streams:
    """A client, and connections to the backends that are kept."""
    reader, writer = await connect(node)
    writer.write(ask())
    assert (await heard(reader))[0].startswith(b"http/1.1 200")
    return reader, writer


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("bad", FAILURES)
def test_a_failure_under_200_goes_to_the_next(loop: Loop, bad: str, stream: bool) -> None:
    async def first(call: Call) -> None:
        await (call.json(GOOD) if call.number == 1 else FAILURES[bad](call))

    async def main() -> None:
        async with (
            Faults(first) as a,
            Faults(lambda call: call.json(GOOD)) as b,
            running(
                HttpBackend("a", a.url, ["m"]), HttpBackend("b", b.url, ["m"]), policy="priority"
            ) as node,
        ):
            reader, writer = await warm(node)
            writer.write(ask(stream))
            head, body = await heard(reader)
            assert head.startswith(b"http/1.1 200") and b"hello" in body
            assert b"x-bago-node: b" in head and b"x-bago-attempts: 2" in head
            assert body.endswith(DONE) == stream
            await quiet(node)
            told = node.dispatcher.records.latest()[0]
            assert [attempt.outcome for attempt in told.attempts] == ["failed", "ok"]

    run(loop, main())


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("last", LAST)
def test_what_happens_behind_the_last_word_is_no_error(loop: Loop, last: str, together: bool) -> None:
    async def script(call: Call) -> None:
        if call.number == 1:
            await call.json(GOOD)
            return
        await call.sse_head()
        pieces = [*SAID, LAST[last]]
        for piece in [b"".join(pieces)] if together else pieces:
            await call.chunk(piece)
        call.drop()

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await warm(node)
            for _ in range(4):
                writer.write(ask(True))
                head, body = await heard(reader)
                assert head.startswith(b"http/1.1 200")
                assert body == b"".join(SAID) + LAST[last]
            await quiet(node)
            assert {told.outcome for told in node.dispatcher.records.latest(9)} == {"ok"}
            assert not any(breaker.failures for breaker in node.dispatcher.breakers.all.values())

    run(loop, main())


def test_a_last_word_inside_of_the_text_is_none(loop: Loop) -> None:
    async def script(call: Call) -> None:
        if call.number == 1:
            await call.json(GOOD)
            return
        await call.sse_head()
        await call.chunk(b'data: {"choices":[{"delta":{"content":"the end is data: [DONE]"}}]}\n\n')
        call.drop()

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await warm(node)
            writer.write(ask(True))
            assert b'"error"' in (await heard(reader))[1]
            await quiet(node)
            assert node.dispatcher.records.latest()[0].outcome == "failed"

    run(loop, main())


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error":{"message":"GPU fell over"}}\n\n',
        b'event: error\ndata: {"message":"GPU fell over"}\n\n',
    ],
)
def test_an_error_at_the_end_of_a_stream_counts(loop: Loop, event: bytes) -> None:
    async def script(call: Call) -> None:
        if call.number == 1:
            await call.json(GOOD)
            return
        await call.sse_head()
        for piece in (*SAID, event):
            await call.chunk(piece)
        await call.raw(b"0\r\n\r\n")

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await warm(node)
            writer.write(ask(True))
            assert (await heard(reader))[1] == b"".join(SAID) + event  # it is told once
            await quiet(node)
            told = node.dispatcher.records.latest()[0]
            assert (told.outcome, told.detail) == ("failed", "GPU fell over")
            (breaker,) = node.dispatcher.breakers.all.values()
            assert breaker.failures == 1

    run(loop, main())


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_pass_as_they_come_however_lines_end(loop: Loop, end: bytes) -> None:
    go = asyncio.Event()

    async def script(call: Call) -> None:
        if call.number == 1:
            await call.json(GOOD)
            return
        await call.sse_head()
        for piece in SAID:
            await call.chunk(piece.replace(b"\n", end))
            await go.wait()
        await call.raw(b"0\r\n\r\n")

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await warm(node)
            writer.write(ask(True))
            await asyncio.wait_for(reader.readuntil(b"one"), 10)
            go.set()
            await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 10)

    run(loop, main())


@pytest.mark.parametrize(
    "begin", [b"", b"\xef\xbb\xbf", b": hi\n\n", b": a\r\n: b\r\n\r\n", b"retry: 3\nid: 1\n\n"]
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_what_is_cut_at_every_byte_arrives_the_same(loop: Loop, begin: bytes, end: bytes) -> None:
    said = b"".join(SAID).replace(b"two", "é北😀\u2028".encode()) + DONE
    whole = begin + said.replace(b"\n", end)

    async def script(call: Call) -> None:
        if call.number == 1:
            await call.json(GOOD)
            return
        await call.sse_head()
        for at in range(len(whole)):
            await call.chunk(whole[at : at + 1])
            if at % 8 == 0:
                await asyncio.sleep(0)
        await call.raw(b"0\r\nx-trailer: 1\r\n\r\n")

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await warm(node)
            writer.write(ask(True))
            assert (await asyncio.wait_for(heard(reader), 20))[1] == whole
            await quiet(node)
            assert node.dispatcher.records.latest()[0].outcome == "ok"

    run(loop, main())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + GOOD,
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\nx-check: 1\r\n\r\n"
        % (len(GOOD), GOOD),
    ],
    ids=["HTTP/1.0", "103", "trailers"],
)
def test_rare_ways_of_http(loop: Loop, answer: bytes) -> None:
    async def script(call: Call) -> None:
        await call.raw(answer)
        if b"chunked" not in answer:
            call.close()

    async def main() -> None:
        async with Faults(script) as server, running(HttpBackend("up", server.url, ["m"])) as node:
            reader, writer = await connect(node)
            for _ in range(3):
                writer.write(ask())
                head, body = await heard(reader)
                assert head.startswith(b"http/1.1 200") and body == GOOD
                assert b"link" not in head and b"x-check" not in head

    run(loop, main())
