"""What is no answer, whatever its status says, and answers that break off."""

from __future__ import annotations

import gzip
import json
from typing import Any

from shapes.shape import (
    DONE,
    EVENTS,
    HTML,
    Shape,
    chunk,
    chunked,
    completion,
    event,
    head,
    raw_stream,
    stream,
    whole,
)

_QUOTA = {"message": "quota is over", "type": "insufficient_quota", "code": 429}
_CRASH = {"message": "GPU fell over", "type": "server_error", "code": 500}
_LOGIN = b"<!DOCTYPE html>\n<html><head><title>Portal</title></head><body>Please log in</body></html>"
_HALF = [event(chunk({"role": "assistant", "content": ""})), event(chunk({"content": "one "}))]
_CHUNKED = "transfer-encoding: chunked"


def _cut(name: str, *pieces: bytes, text: str = "") -> Shape:
    """A stream whose connection ends behind these pieces of its body."""
    writes = (head(200, EVENTS, _CHUNKED), *chunked(pieces, b""))
    return Shape(name, "stream", writes, text=text, finish=None, fails="", closes=True)


def _refused(
    name: str, status: int, body: Any, words: str, *lines: str, kind: str = "application/json"
) -> Shape:
    return whole(name, body, *lines, status=status, kind=kind, fails=words, finish=None)


UNDER_200 = [
    _refused("error-object", 200, {"error": _QUOTA}, "quota is over"),
    _refused("error-text", 200, {"error": "quota is over"}, "quota is over"),
    _refused("error-in-a-list", 200, [{"error": _QUOTA}], "quota is over"),
    _refused("error-with-choices-null", 200, {"choices": None, "error": _QUOTA}, "quota is over"),
    _refused(
        "error-in-a-choice",
        200,
        completion(choices=[{"index": 0, "message": None, "error": _QUOTA}]),
        "quota is over",
    ),
    _refused(
        "error-of-old-vllm",
        200,
        {"object": "error", "message": "quota is over", "code": 429},
        "quota is over",
    ),
    _refused("detail", 200, {"detail": "quota is over"}, "quota is over"),
    _refused("login-page", 200, _LOGIN, "", kind=HTML),
    _refused("login-page-as-json", 200, _LOGIN, ""),
    _refused("login-page-as-events", 200, _LOGIN, "", kind=EVENTS),
    _refused("empty-body", 200, b"", ""),
    _refused("empty-body-of-events", 200, b"", "", kind=EVENTS),
    _refused("empty-object", 200, {}, ""),
    _refused("null", 200, None, ""),
    _refused("half-an-object", 200, json.dumps(completion()).encode()[:60], ""),
    _refused("no-choice", 200, completion(choices=[]), ""),
    raw_stream("nothing-but-done", [event(DONE)], fails="", finish=None),
    raw_stream("nothing-but-comments", [b": ping\n\n", b": ping\n\n"], fails="", finish=None),
    stream("nothing-but-usage", [chunk(choices=[], usage={"prompt_tokens": 5})], fails="", finish=None),
    stream("error-first", [{"error": _QUOTA}], fails="quota is over", finish=None),
    stream(
        "error-first-by-name",
        [b"event: error\n" + event({"error": _QUOTA})],
        done=False,
        fails="quota is over",
        finish=None,
    ),
    stream(
        "error-first-as-a-text", [{"error": "quota is over"}], done=False, fails="quota is over", finish=None
    ),
    raw_stream(
        "error-first-in-a-field-of-its-own",
        [event(json.dumps(_QUOTA), field="error: ")],
        fails="quota is over",
        finish=None,
    ),
]
"""Failures under status 200: nobody was given anything, so another server can still answer."""

BROKEN = [
    stream(
        "error-in-the-middle",
        [*_HALF, {"error": _CRASH}],
        done=False,
        text="one ",
        fails="GPU fell over",
        finish=None,
    ),
    stream(
        "error-with-a-finish",
        [*_HALF, chunk({"content": ""}, "error", error=_CRASH)],
        text="one ",
        fails="GPU fell over",
        finish=None,
    ),
    stream(
        "error-of-old-vllm-in-the-middle",
        [*_HALF, _CRASH | {"object": "error"}],
        text="one ",
        fails="GPU fell over",
        finish=None,
    ),
    _cut("cut-before-anything"),
    _cut("cut-in-an-event", *_HALF, b'data: {"id":"c1","choi', text="one "),
    _cut("cut-between-events", *_HALF, text="one "),
    raw_stream(
        "half-an-event-at-the-end", [*_HALF, b'data: {"id":"c1","choi'], text="one ", fails="", finish=None
    ),
    raw_stream(
        "garbage-in-the-middle", [*_HALF, b'data: {"choices":[{]}\n\n'], text="one ", fails="", finish=None
    ),
]
"""Answers that break off, most of them when some text had come."""

STATUSES = [
    _refused(
        "status-529",
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        "Overloaded",
    ),
    _refused("status-404-page", 404, b"<html>nginx 404</html>", "", kind=HTML),
    _refused(
        "status-400-list",
        400,
        [{"error": {"code": 400, "message": "out of range", "status": "INVALID_ARGUMENT"}}],
        "out of range",
    ),
    _refused("status-400-text", 400, {"error": "out of range"}, "out of range"),
    _refused(
        "status-400-in-gzip",
        400,
        gzip.compress(b'{"error":{"message":"out of range","type":"invalid_request_error"}}'),
        "out of range",
        "content-encoding: gzip",
    ),
    _refused(
        "status-400-message-an-object",
        400,
        {"error": {"message": {"text": "out of range"}, "code": ["x"], "param": 3}},
        "out of range",
    ),
    _refused("status-500-empty", 500, b"", ""),
    _refused(
        "status-429-until-a-date",
        429,
        {"error": {"message": "slow down"}},
        "slow down",
        "retry-after: Fri, 27 Nov 2026 03:59:59 GMT",
    ),
    _refused("status-503-page", 503, _LOGIN, "", kind=HTML),
    Shape(
        "status-302-to-a-login",
        "whole",
        (head(302, HTML, "location: /login", "content-length: 0"),),
        fails="",
        finish=None,
    ),
    Shape("status-204", "whole", (head(204, None),), fails="", finish=None),
]
"""Failures that say they are one."""

FAILURES = [*UNDER_200, *BROKEN, *STATUSES]
