"""Token counts read from passing bytes, in every dialect."""

from __future__ import annotations

import pytest

from bago_jupyter.backends.usage import TAIL, Usage

CHAT = b'{"choices":[],"usage":{"completion_tokens":5,"prompt_tokens":7,"total_tokens":12}}'
CHAT_STREAM = (
    b'data: {"x":1}\n\n' * 3
    + b'data: {"usage":{"completion_tokens":5,"prompt_tokens":7}}\n\ndata: [DONE]\n\n'
)
MESSAGES_STREAM = (
    b'event: message_start\ndata: {"message":{"usage":{"input_tokens":7,"output_tokens":1}}}\n\n'
    + b'event: content_block_delta\ndata: {"delta":{"text":"'
    + b"x" * 6000
    + b'"}}\n\n'
    + b'event: message_delta\ndata: {"usage":{"output_tokens":5}}\n\nevent: message_stop\ndata: {}\n\n'
)
RESPONSES = b'{"usage":{"input_tokens":7,"output_tokens":5}}'


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("stream", "body"), [(False, CHAT), (True, CHAT_STREAM), (True, MESSAGES_STREAM), (False, RESPONSES)]
)
def test_prompt_and_completion(stream: bool, body: bytes, size: int) -> None:
    usage = Usage(stream)
    for start in range(0, len(body), size):
        usage.feed(body[start : start + size])
    assert usage.tokens() == (7, 5)


def test_a_stream_without_usage_counts_its_events() -> None:
    usage = Usage(True)
    for _ in range(10):
        usage.feed(b"data: {}\n\n")
    usage.feed(b"data: [DONE]\n\n")
    assert usage.tokens() == (None, 9)


def test_nothing_is_nothing() -> None:
    assert Usage(False).tokens() == (None, None)
    assert Usage(True).tokens() == (None, None)


def test_the_last_word_of_a_stream_is_known() -> None:
    for body in (CHAT_STREAM, MESSAGES_STREAM):
        usage = Usage(True)
        usage.feed(body[:-60])
        assert not usage.ended
        usage.feed(body[-60:])
        assert usage.ended


def test_a_count_that_no_answer_can_have_is_none() -> None:
    usage = Usage(False)
    usage.feed(b'{"usage":{"prompt_tokens":%s,"completion_tokens":7}}' % (b"9" * 400))
    assert usage.tokens() == (None, 7)


def test_text_that_reads_like_a_last_word_is_none() -> None:
    usage, filler = Usage(True), b'data: {"text":"' + b"x" * 100 + b'"}\n\n'
    for said in (b"data: [DONE]", b"event: message_stop", b"\\ndata: [DONE]\\n"):
        usage.feed(b'data: {"said":"' + said + b'"}\n\n')
        assert not usage.ended
    for _ in range(200):
        usage.feed(filler)
    usage.feed(CHAT_STREAM)
    assert usage.tokens() == (7, 5)
    assert usage.ended


@pytest.mark.parametrize("size", [100, TAIL, 100_000])
@pytest.mark.parametrize("piece", [1000, 1_000_000])
@pytest.mark.parametrize("name", [b"event: response.completed\n", b""])
def test_the_last_word_of_a_response_may_be_long(size: int, piece: int, name: bytes) -> None:
    usage = Usage(True)
    last = name + b'data: {"type":"response.completed","response":{"x":"' + b"x" * size
    for body in (
        b"event: response.created\ndata: {}\n\n",
        last,
        b'","error":null,"usage":{"input_tokens":7}}}\n\n',
    ):
        for start in range(0, len(body), piece):
            usage.feed(body[start : start + piece])
    assert usage.ended and not usage.failed


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    "last",
    [b"data: [DONE]", b"data:[DONE]", b"event: message_stop|data: {}", b'data: {"type": "message_stop"}'],
)
def test_a_last_word_may_be_written_in_any_way(last: bytes, end: bytes) -> None:
    usage = Usage(True)
    usage.feed(b"data: {}|||".replace(b"|", end) + (last + b"||").replace(b"|", end))
    assert usage.ended


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (b'data: {"error":{"message":"no"}}\n\n', True),
        (b'data: {"error": "no"}\n\n', True),
        (b"event: error\ndata: {}\n\n", True),
        (b'data: {"type":"response.failed","response":{}}\n\n', True),
        (b'data: {"error":null,"choices":[]}\n\n', False),
        (b'data: {"said":"\\ndata: {\\"error\\":1}"}\n\n', False),
        (b'data: {"error":{"message":"no"}}\n\ndata: [DONE]\n\n', True),
        (b'data: [DONE]\n\ndata: {"error":{"message":"late"}}\n\n', False),
    ],
)
def test_a_stream_that_ends_with_an_error_has_failed(event: bytes, failed: bool) -> None:
    usage = Usage(True)
    usage.feed(b'data: {"choices":[]}\n\n' + event)
    assert usage.failed is failed


def test_a_long_answer_in_one_piece_has_its_usage_at_its_end() -> None:
    usage = Usage(False)
    usage.feed(b'{"text":"' + b"x" * 100_000 + b'",' + CHAT.removeprefix(b"{"))
    assert usage.tokens() == (7, 5)
