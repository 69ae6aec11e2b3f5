"""What no node says: at each of the paths that a node asks, and on its own account."""

from __future__ import annotations

import asyncio
import json

from mesh.rogue import OK, Ask, Script, Writer, answer, chunk

ESCAPE = "\x1b]52;c;AAAA\x07\x1b[2J\u202egnp\u2028line\x9bm\x7f"


async def endless(writer: Writer, piece: bytes, first: bytes = b"") -> None:
    writer.write(OK + (chunk(first) if first else b""))
    while True:
        writer.write(chunk(piece))
        await writer.drain()
        await asyncio.sleep(0)


async def dripping(ask: Ask, writer: Writer) -> None:
    writer.write(OK)
    while True:
        writer.write(chunk(b"x"))
        await writer.drain()
        await asyncio.sleep(0.05)


def says(said: bytes) -> Script:
    """Says this and closes."""

    async def script(ask: Ask, writer: Writer) -> None:
        await answer(writer, said)

    return script


async def line_without_end(ask: Ask, writer: Writer) -> None:
    await endless(writer, b"x" * 65536, b'{"hello":')


async def line_feeds(ask: Ask, writer: Writer) -> None:
    await endless(writer, b"\n" * 65536)


NESTED = b"[" * 100_000
NEWS: dict[str, Script] = {
    "a line without end": line_without_end,
    "line feeds without end": line_feeds,
    "one byte at a time": dripping,
    "nested": says(b'{"hello":' + NESTED + b"\n"),
    "not a number": says(b'{"hello":{"port":NaN}}\n'),
    "huge numbers": says(b'{"hello":{"port":' + b"9" * 100_000 + b"}}\n"),
    "no text": says(b'{"hello":"\xff\xfe"}\n'),
    "nothing": says(b""),
    "empty strings": says(
        b'{"hello":{"fingerprint":"","name":"","version":"","boot":"","port":0},'
        b'"catalogue":[{"model":"","tasks":[],"state":"ready","digest":"","quantization":""}]}\n'
    ),
    "HTML": says(b"<html>\n\n<body>\n"),
}


HELLOS: dict[str, Script] = {
    "an answer without end": line_without_end,
    "one byte at a time": dripping,
    "nested": says(NESTED),
    "no text": says(b"\xff" * 100),
    "another type": says(b"[]"),
    "long": says(json.dumps({"name": "x" * 60_000}).encode()),
}


def framed(head: object, body: bytes = b"", end: bytes = b"0\r\n\r\n") -> Script:
    """A relayed request's answer with this head in its body."""

    async def script(ask: Ask, writer: Writer) -> None:
        line = head if isinstance(head, bytes) else json.dumps(head).encode()
        writer.write(OK + chunk(b"\n" + line + b"\n" + body) + end)
        await writer.drain()

    return script


async def heartbeats(ask: Ask, writer: Writer) -> None:
    writer.write(OK)
    while True:
        writer.write(chunk(b"\n"))
        await writer.drain()
        await asyncio.sleep(0.2)


async def cut_off(ask: Ask, writer: Writer) -> None:
    stream = b'{"status":200,"headers":[["content-type","text/event-stream"]]}'
    writer.write(OK + chunk(stream + b'\ndata: {"choices":[{"delta":{"content":"half'))
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.transport.abort()


async def raw(ask: Ask, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 204 No\r\ncontent-length: 9\r\n\r\nHTTP/1.1 ")
    await writer.drain()


def said(status: object, *headers: object) -> dict[str, object]:
    return {"status": status, "headers": list(headers)}


JSON = ["content-type", "application/json"]
RELAYS: dict[str, Script] = {
    "204 with a body": framed(said(204), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
    "304 with a body": framed(said(304, ["content-length", "5"]), b"hello"),
    "no status": framed({"headers": []}),
    "status of no kind": framed(said(99999)),
    "NaN": framed(b'{"status":NaN,"headers":[]}'),
    "nested": framed(NESTED),
    "a header in a header": framed(said(200, ["x-a", "b\r\nx-c: d"]), b"{}"),
    "two lengths": framed(said(200, JSON, ["content-length", "1"], ["content-length", "2"]), b"{}"),
    "too long a length": framed(said(200, JSON, ["content-length", "999"]), b"{}"),
    "chunked within": framed(said(200, JSON, ["transfer-encoding", "chunked"]), b"1\r\n{"),
    "an escape": framed(said(500, JSON), json.dumps({"error": {"message": ESCAPE, "type": "t"}}).encode()),
    "HTML": framed(said(200, ["content-type", "text/html"]), b"<html>"),
    "an empty answer": framed(said(200, JSON)),
    "no text": framed(said(200, JSON), b"\xff\xfe"),
    "a head without end": line_without_end,
    "heartbeats without end": heartbeats,
    "one byte at a time": dripping,
    "cut off": cut_off,
    "no frame": raw,
    "nothing": says(b""),
}
