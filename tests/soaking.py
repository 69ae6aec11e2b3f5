"""A backend that fails now and then, and clients that ask it and check what comes, for long runs."""

from __future__ import annotations

import asyncio
import json
import random
import time

from faults import Call


class Model:
    """Answers with the number that it was asked for, and fails in a share of the cases."""

    def __init__(self, seed: int, bad: float):
        self._random = random.Random(seed)
        self._bad = bad

    async def __call__(self, call: Call) -> None:
        asked = json.loads(call.body)
        number = asked["messages"][0]["content"].encode()
        dice = self._random.random()
        if dice < self._bad:
            await self._fail(call, dice / self._bad, asked.get("stream", False))
        elif asked.get("stream"):
            await call.sse_head()
            for part in (b"data: ", number, b"\n\n", b"data: [DONE]\n\n"):
                await call.chunk(part)
                await asyncio.sleep(self._random.choice((0, 0, 0.002)))
            await call.raw(b"0\r\n\r\n")
        else:
            await asyncio.sleep(self._random.choice((0, 0, 0.005)))
            await call.json(b'{"number":%b,"usage":{"prompt_tokens":1,"completion_tokens":9}}' % number)

    async def _fail(self, call: Call, how: float, stream: bool) -> None:
        if how < 0.3:
            await call.json(b'{"error":{"message":"busy"}}', 503)
        elif how < 0.5:
            call.drop()
        elif how < 0.7:
            await call.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")
            call.drop()
        elif how < 0.9 and stream:
            await call.sse_head()
            await call.chunk(b"data: half")
            call.drop()
        else:
            await call.raw(b"HTTP/1.1 2\0")
            call.drop()


async def caller(port: int, seed: int, end: float, seen: dict[str, int]) -> None:
    """One client with a connection that it keeps where it can, and leaves in the middle now and then."""
    dice = random.Random(seed)
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while time.monotonic() < end:
        if streams is None:
            streams = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = streams
        number, stream = dice.randrange(10**9), dice.random() < 0.4
        ask = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": str(number)}]}
        body = json.dumps(ask).encode()
        if dice.random() < 0.05:
            body = body[: dice.randrange(len(body))]
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-bago-caller: c%d\r\n" % (seed % 3)
        writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        if dice.random() < 0.1:  # it goes away
            await asyncio.sleep(dice.choice((0, 0.001, 0.004)))
            writer.transport.abort()
            streams = None
            seen["left"] += 1
            continue
        try:
            status, answer = await asyncio.wait_for(read(reader), 30)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise AssertionError("the node cut a connection without an answer") from None
        kind = {200: "ok", 400: "refused"}.get(status, "failed")
        if kind == "ok":
            said = f"data: {number}\n\n" if stream else f'"number":{number}'
            broken = stream and '"error"' in answer
            assert said in answer or broken, (number, answer)
            kind = "broken" if broken else kind
        seen[kind] += 1
    if streams is not None:
        streams[1].close()


async def read(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Status and body of one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if b"content-length: " in head:
        return status, (await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))).decode()
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, b"".join(parts).decode()
