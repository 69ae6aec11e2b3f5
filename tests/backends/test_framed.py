"""Framed answers of a peer that lies about what is in the frame."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from faults import Call, Faults

from bago_jupyter.backends.framed import FramedExchange
from bago_jupyter.errors import UpstreamFailed, UpstreamTimeout
from bago_jupyter.http1 import Pool

HEAD = b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n"


async def opened(line: bytes) -> FramedExchange:
    async def answer(call: Call) -> None:
        await call.json(b"\n\n" + line + b"\nbody")

    async with Faults(answer) as peer:
        pool = Pool("127.0.0.1", peer.port)
        try:
            return await FramedExchange(await pool.send(HEAD, b"", 30)).opened(30)
        finally:
            pool.close()


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_the_real_head_is_in_the_body() -> None:
    head = {"status": 404, "headers": [["Content-Type", "text/plain"], ["x-a", "\tb c\u00e9"]]}
    exchange = run(opened(json.dumps(head).encode()))
    assert exchange.status == 404
    assert exchange.headers == [(b"content-type", b"text/plain"), (b"x-a", b"\tb c\xe9")]


@pytest.mark.parametrize(
    "head",
    [
        {"status": 200, "headers": [["x-a", "b\r\nset-cookie: evil=1"]]},
        {"status": 200, "headers": [["x-a", "b\nc"]]},
        {"status": 200, "headers": [["x-a: b\r\nc", "d"]]},
        {"status": 200, "headers": [["x a", "b"]]},
        {"status": 200, "headers": [["", "b"]]},
        {"status": 200, "headers": [["x-a", "\u20ac"]]},
        {"status": 200, "headers": [["x-a", "\0"]]},
        {"status": 100, "headers": []},
        {"status": 0, "headers": []},
        {"status": -1, "headers": []},
        {"status": 600, "headers": []},
        {"status": 10**30, "headers": []},
        {"status": "200", "headers": []},
        {"status": 204, "headers": []},
        {"status": 205, "headers": []},
        {"status": 302, "headers": [["location", "http://127.0.0.1/"]]},
        {"status": 304, "headers": []},
        {"status": 200, "headers": [["transfer-encoding", "chunked"]]},
        {"status": 200, "headers": [["content-length", "4"], ["Content-Length", "5"]]},
        {"status": 200, "headers": [["content-length", "-4"]]},
        {"status": 200, "headers": [["content-length", "4, 4"]]},
        {"status": 200, "headers": [["content-length", "9" * 30]]},
        {"status": 200, "headers": [["x-a", "b"]] * 257},
    ],
)
def test_what_no_http_head_can_say_breaks_the_attempt(head: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailed, match="cannot be read"):
        run(opened(json.dumps(head).encode()))


@pytest.mark.parametrize(("length", "fits"), [(4, True), (3, False), (5, False), (0, False)])
def test_a_length_that_lies_breaks_the_attempt(length: int, fits: bool) -> None:
    async def main() -> None:
        async def answer(call: Call) -> None:
            head = {"status": 200, "headers": [["content-length", str(length)]]}
            await call.sse_head()
            for part in (json.dumps(head).encode() + b"\nbo", b"dy"):
                await call.chunk(part)
            await call.raw(b"0\r\n\r\n")

        async def read(framed: FramedExchange) -> bytes:
            body = b""
            while chunk := await framed.read():
                body += chunk
            return body

        async with Faults(answer) as peer:
            pool = Pool("127.0.0.1", peer.port)
            framed = await FramedExchange(await pool.send(HEAD, b"", 30)).opened(30)
            if fits:
                assert await read(framed) == b"body"
            else:
                with pytest.raises(UpstreamFailed, match="not as long as it says"):
                    await read(framed)

    run(main())


def test_a_head_has_a_bound_also_when_it_comes_at_once() -> None:
    head = {"status": 200, "headers": [["x-a", "b" * 70_000]]}
    with pytest.raises(UpstreamFailed, match="has no head"):
        run(opened(json.dumps(head).encode()))


@pytest.mark.parametrize("status", [201, 204, 205, 302, 304])
def test_no_node_answers_so(status: int) -> None:
    async def main() -> None:
        async with Faults(lambda call: call.json(b"", status)) as peer:
            pool = Pool("127.0.0.1", peer.port)
            with pytest.raises(UpstreamFailed, match=f"answered {status}"):
                await FramedExchange(await pool.send(HEAD, b"", 30)).opened(30)

    run(main())


def test_heartbeats_alone_keep_nothing_open() -> None:
    async def main() -> None:
        async def beats(call: Call) -> None:
            await call.sse_head()
            while not call.gone.is_set():
                await call.chunk(b"\n")
                await asyncio.sleep(0.005)

        async with Faults(beats) as peer:
            pool = Pool("127.0.0.1", peer.port)
            with pytest.raises(UpstreamTimeout, match=r"not begun to answer for 0\.2 s"):
                await FramedExchange(await pool.send(HEAD, b"", 30)).opened(0.2)
            await peer.calls[0].gone.wait()

    run(main())


@pytest.mark.parametrize("line", [b"\xff", b'{"status":200,"headers":[["a","\xff"]]}', b"[" * 5000])
def test_what_is_no_head_at_all(line: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="cannot be read"):
        run(opened(line))


def test_a_peer_that_stops_in_the_middle_is_broken_off() -> None:
    async def main() -> None:
        async def stalls(call: Call) -> None:
            await call.sse_head()
            await call.chunk(b'{"status": 200, "headers": []}\n')
            await call.gone.wait()

        async with Faults(stalls) as peer:
            pool = Pool("127.0.0.1", peer.port)
            framed = await FramedExchange(await pool.send(HEAD, b"", 30, silence=0.1)).opened(30)
            with pytest.raises(UpstreamTimeout, match=r"sent nothing for 0\.1 s"):
                await framed.read()
            await peer.calls[0].gone.wait()

    run(main())
