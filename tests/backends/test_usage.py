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


def test_what_stood_long_before_the_end_does_not_count() -> None:
    usage, filler, said = Usage(True), b'data: {"text":"' + b"x" * 100 + b'"}\n\n', b'data: [DONE]"}\n\n'
    usage.feed(b'data: {"said":"' + said)
    assert usage.ended
    for sent in range(1, 200):
        usage.feed(filler)
        assert usage.ended == (len(said) + sent * len(filler) <= TAIL)
    usage.feed(CHAT_STREAM)
    assert usage.tokens() == (7, 5)
    assert usage.ended


def test_a_long_answer_in_one_piece_has_its_usage_at_its_end() -> None:
    usage = Usage(False)
    usage.feed(b'{"text":"' + b"x" * 100_000 + b'",' + CHAT.removeprefix(b"{"))
    assert usage.tokens() == (7, 5)
