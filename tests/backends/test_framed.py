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
            return await FramedExchange(await pool.send(HEAD, b"", 30)).opened()
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
    ],
)
def test_what_no_http_head_can_say_breaks_the_attempt(head: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailed, match="cannot be read"):
        run(opened(json.dumps(head).encode()))


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
            framed = await FramedExchange(await pool.send(HEAD, b"", 30, silence=0.1)).opened()
            with pytest.raises(UpstreamTimeout, match=r"sent nothing for 0\.1 s"):
                await framed.read()
            await peer.calls[0].gone.wait()

    run(main())
