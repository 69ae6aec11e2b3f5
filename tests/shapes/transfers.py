"""Answers that HTTP carries in rare ways."""

from __future__ import annotations

import gzip
import json
import zlib

from shapes.shape import DONE, EVENTS, JSON, Shape, chunked, completion, event, head, raw_stream, says, whole

_EVENTS = [event(it) for it in [*says("one ", "two"), DONE]]
_BODY = b"".join(_EVENTS)
_WHOLE = json.dumps(completion()).encode()


def _packed() -> list[bytes]:
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(it) + packer.flush(zlib.Z_SYNC_FLUSH) for it in _EVENTS]
    return [*pieces, packer.flush()]


def _stream(name: str, *writes: bytes, closes: bool = False) -> Shape:
    return Shape(name, "stream", writes, text="one two", closes=closes)


def _whole(name: str, *writes: bytes, closes: bool = False) -> Shape:
    return Shape(name, "whole", writes, text="one two", tokens=(5, 2), closes=closes)


_CHUNKED = "transfer-encoding: chunked"
_LENGTH = f"content-length: {len(_WHOLE)}"
_HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"

TRANSFERS = [
    _stream("stream-in-gzip", head(200, EVENTS, _CHUNKED, "content-encoding: gzip"), *chunked(_packed())),
    _stream("stream-over-http-1.0", head(200, EVENTS, version="1.0"), *_EVENTS, closes=True),
    _stream("stream-until-the-end", head(200, EVENTS, "connection: close"), *_EVENTS, closes=True),
    _stream(
        "stream-with-a-length",
        head(200, EVENTS, f"content-length: {len(_BODY)}", "connection: close"),
        *_EVENTS,
        closes=True,
    ),
    _stream(
        "stream-with-trailers",
        head(200, EVENTS, _CHUNKED, "trailer: x-check"),
        *chunked(_EVENTS, b"0\r\nx-check: 1\r\n\r\n"),
    ),
    _stream(
        "stream-with-chunk-extensions",
        head(200, EVENTS, _CHUNKED),
        b"".join(b"%x;a=b\r\n%s\r\n" % (len(it), it) for it in _EVENTS),
        b"0\r\n\r\n",
    ),
    _stream(
        "stream-without-its-last-chunk", head(200, EVENTS, _CHUNKED), *chunked(_EVENTS, b""), closes=True
    ),
    raw_stream("stream-without-a-type", _EVENTS, kind=None, text="one two"),
    raw_stream(
        "stream-of-a-type-in-capitals", _EVENTS, kind="Text/Event-Stream; Charset=UTF-8", text="one two"
    ),
    raw_stream("stream-that-says-it-is-json", _EVENTS, kind=JSON, text="one two"),
    _whole("whole-in-chunks", head(200, JSON, _CHUNKED), *chunked([_WHOLE[:20], _WHOLE[20:]])),
    _whole("whole-over-http-1.0", head(200, JSON, version="1.0"), _WHOLE, closes=True),
    _whole("whole-with-a-large-head", head(200, JSON, _LENGTH, "x-big: " + "a" * 40_000) + _WHOLE),
    _whole("whole-with-a-header-twice", head(200, JSON, _LENGTH, "x-dup: 1", "x-dup: 2") + _WHOLE),
    _whole("whole-behind-early-hints", _HINTS + head(200, JSON, _LENGTH) + _WHOLE),
    whole("whole-in-gzip", gzip.compress(_WHOLE), "content-encoding: gzip", text="one two", tokens=(5, 2)),
]
