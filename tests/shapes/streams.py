"""Streams that are whole answers, however they are written."""

from __future__ import annotations

from typing import Any

from shapes.shape import DONE, END, USAGE, Shape, chunk, event, raw_stream, says, stream

ONE_TWO: list[Any] = says("one ", "two")


def _written(ends: str = "\n", field: str = "data: ") -> list[bytes]:
    return [event(it, ends, field) for it in [*ONE_TWO, DONE]]


def _bytes(*contents: str) -> bytes:
    return b"".join(event(it) for it in [*says(*contents), DONE])


def _every(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _telling(name: str, usage: Any, **what: Any) -> Shape:
    return stream(name, [*ONE_TWO, chunk(choices=[], usage=usage)], text="one two", **what)


_LINES = "héllo\u2028北京\u2029😀\x85naïve"
_PRETTY = b'data: {"choices": [\ndata: {"index": 0, "delta":\ndata: {"content": "one two"}}\ndata: ]}\n\n'
_NAMED = [b"retry: 3000\nid: 1\n\n", b"event: message\nid: 2\n" + event(chunk({"content": "one two"}))]

LINES = [
    stream("plain", ONE_TWO, text="one two"),
    raw_stream("cut-every-three-bytes", _every(_bytes(_LINES), 3), text=_LINES),
    raw_stream("cut-at-every-byte", _every(_bytes("é北😀"), 1), text="é北😀"),
    raw_stream("in-one-write", [_bytes("one ", "two")], text="one two"),
    raw_stream("lines-end-with-crlf", _written("\r\n"), text="one two"),
    raw_stream("lines-end-with-cr", _written("\r"), text="one two"),
    raw_stream("crlf-cut-in-two", _every(b"".join(_written("\r\n")), 1), text="one two"),
    raw_stream(
        "line-ends-mixed", [*_written("\r")[:2], *_written("\r\n")[2:3], *_written()[3:]], text="one two"
    ),
    raw_stream("no-space-after-the-colon", _written(field="data:"), text="one two"),
    stream("no-done", ONE_TWO, done=False, text="one two"),
    raw_stream("last-line-without-end", [*_written()[:-1], b"data: [DONE]"], text="one two"),
    raw_stream("no-done-and-no-last-end", [*_written()[:-2], event(END).rstrip()], text="one two"),
    stream(
        "line-separators-in-text",
        says("one\u2028two\u2029", "three\x85four"),
        text="one\u2028two\u2029three\x85four",
    ),
    stream("an-event-over-several-lines", [_PRETTY, END], text="one two"),
    stream("empty-data", [b"data: \n\n", *ONE_TWO, b"data:\n\n", b"data\n\n"], text="one two"),
    stream(
        "comments",
        [b": PROCESSING\n\n", b":\n\n", *ONE_TWO[:2], b": PROCESSING\n\n", *ONE_TWO[2:]],
        text="one two",
    ),
    stream("event-id-and-retry-lines", [*_NAMED, b"id: 3\n" + event(END)], text="one two"),
    raw_stream("byte-order-mark", [b"\xef\xbb\xbf" + _bytes("one ", "two")], text="one two"),
    stream(
        "done-in-text",
        says("the end is data: [DONE] you see, ", "and [DONE]"),
        text="the end is data: [DONE] you see, and [DONE]",
    ),
    stream("event-of-1.5-mb", says("x" * 1_500_000, " end"), text="x" * 1_500_000 + " end"),
    raw_stream(
        "more-behind-done", [_bytes("one ", "two"), event(chunk({"content": " three"}))], text="one two"
    ),
    raw_stream(
        "error-behind-done", [_bytes("one ", "two"), event({"error": {"message": "late"}})], text="one two"
    ),
]
"""How lines and events are cut and ended."""

HALVES = [
    b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00"}}]}\n\n',
]

FIELDS = [
    stream("choices-null", [*ONE_TWO, chunk(choices=None, usage=USAGE)], text="one two", tokens=(5, 2)),
    stream("choices-missing", [*ONE_TWO, {"id": "c1", "usage": USAGE}], text="one two", tokens=(5, 2)),
    stream(
        "choices-empty-first",
        [
            {
                "choices": [],
                "created": 0,
                "id": "",
                "model": "",
                "object": "",
                "prompt_filter_results": [{"prompt_index": 0}],
            },
            *ONE_TWO,
        ],
        text="one two",
    ),
    stream(
        "error-null",
        [chunk({"content": "one two"}, error=None), chunk({}, "stop", error=None)],
        text="one two",
    ),
    stream(
        "error-empty", [chunk({"content": "one two"}, error={}), chunk({}, "stop", error="")], text="one two"
    ),
    stream(
        "delta-null",
        [
            chunk({"content": "one two"}),
            {"id": "c1", "choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]},
        ],
        text="one two",
    ),
    stream(
        "delta-missing",
        [chunk({"content": "one two"}), {"id": "c1", "choices": [{"index": 0, "finish_reason": "stop"}]}],
        text="one two",
    ),
    stream(
        "role-null",
        [chunk({"role": None, "content": "one two"}), chunk({"role": None, "content": None}, "stop")],
        text="one two",
    ),
    stream(
        "role-odd", [chunk({"role": 7, "content": "one two"}), chunk({"role": {}}, "stop")], text="one two"
    ),
    stream("finish-odd", [chunk({"content": "one two"}), chunk({}, "eos")], text="one two", finish="eos"),
    stream(
        "finish-length", [chunk({"content": "one two"}), chunk({}, "length")], text="one two", finish="length"
    ),
    stream(
        "finish-empty-before",
        [chunk({"content": "one "}, ""), chunk({"content": "two"}, ""), END],
        text="one two",
    ),
    stream(
        "finish-with-the-last-text",
        [chunk({"content": "one "}), chunk({"content": "two"}, "stop")],
        text="one two",
    ),
    stream(
        "finish-missing", [chunk({"content": "one "}), chunk({"content": "two"})], text="one two", finish=None
    ),
    stream(
        "finish-a-number",
        [chunk({"content": "one "}), chunk({"content": "two"}, 2)],
        text="one two",
        finish=None,
    ),
    stream(
        "content-parts",
        says([{"type": "text", "text": "one "}], [{"type": "text", "text": "two"}]),
        text="one two",
    ),
    stream("content-part-alone", says({"type": "text", "text": "one "}, "two"), text="one two"),
    stream(
        "content-thinking-part",
        says([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}], "one two"),
        text="one two",
        reasoning="hm",
    ),
    stream("content-a-number", says("one ", 2), text="one 2"),
    stream(
        "reasoning",
        [chunk({"reasoning": "hm "}), chunk({"reasoning": "hm", "content": ""}), *ONE_TWO],
        text="one two",
        reasoning="hm hm",
    ),
    stream(
        "reasoning-content",
        [
            chunk({"reasoning_content": "hm", "content": None}),
            chunk({"content": "one two", "reasoning_content": None}),
            END,
        ],
        text="one two",
        reasoning="hm",
    ),
    stream(
        "reasoning-under-both-names",
        [chunk({"reasoning": "hm", "reasoning_content": "hm"}), *ONE_TWO],
        text="one two",
        reasoning="hm",
    ),
    stream(
        "reasoning-a-list",
        [chunk({"reasoning": [{"type": "text", "text": "hm"}]}), *ONE_TWO],
        text="one two",
        reasoning="hm",
    ),
    stream(
        "refusal",
        [chunk({"role": "assistant", "refusal": "I will "}), chunk({"refusal": "not."}), END],
        text="I will not.",
    ),
    stream(
        "ids-of-other-types",
        [
            chunk({"content": "one two"}, id=17, created="now", model=None, object=3, system_fingerprint=[]),
            chunk({}, "stop", id=None, created=1.5),
        ],
        text="one two",
    ),
    stream(
        "index-of-other-types",
        [
            chunk(choices=[{"index": "0", "delta": {"content": "one "}}]),
            chunk(choices=[{"index": None, "delta": {"content": "t"}}]),
            chunk(choices=[{"index": 0.0, "delta": {"content": "wo"}}]),
            END,
        ],
        text="one two",
    ),
    stream(
        "fields-nobody-knows",
        [
            chunk({"content": "one two", "annotations": [], "audio": None}, provider="p", timings={"x": {}}),
            chunk({}, "stop", logprobs={"content": [[]]}),
        ],
        text="one two",
    ),
    stream(
        "a-message-for-a-delta",
        [
            {
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "one two"},
                        "finish_reason": "stop",
                    }
                ]
            }
        ],
        text="one two",
    ),
    stream("surrogates-in-two-events", [*HALVES, END], text="😀"),
    _telling("usage", USAGE, tokens=(5, 2)),
    stream(
        "usage-in-the-last", [*ONE_TWO[:-1], chunk({}, "stop", usage=USAGE)], text="one two", tokens=(5, 2)
    ),
    stream("usage-null-in-each", [it | {"usage": None} for it in ONE_TWO], text="one two"),
    _telling("usage-in-words", {"prompt_tokens": "5", "completion_tokens": "2"}, tokens=(5, 2)),
    _telling("usage-in-floats", {"prompt_tokens": 5.0, "completion_tokens": 2.0}, tokens=(5, 2)),
    _telling("usage-absurd", {"prompt_tokens": -1, "completion_tokens": 10**30, "total_tokens": 1e308}),
    _telling("usage-of-other-types", {"prompt_tokens": [], "completion_tokens": True, "total_tokens": {}}),
    _telling("usage-a-list", [5, 2]),
    _telling(
        "usage-details-odd",
        USAGE | {"prompt_tokens_details": {"cached_tokens": "n/a"}, "completion_tokens_details": []},
        tokens=(5, 2),
    ),
]
"""What optional fields hold."""

STREAMS = [*LINES, *FIELDS]
