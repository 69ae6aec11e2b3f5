"""The words of servers, as they were heard."""

from __future__ import annotations

import typing

import pytest

from bago_jupyter.backends import complaints
from bago_jupyter.backends.complaints import mistake, retell
from bago_jupyter.errors import Cause


@pytest.mark.parametrize(
    ("said", "cause", "code"),
    [
        ("image input is not supported - hint: use an mmproj", "unsupported", "unsupported"),
        ("input (9000 tokens) is too large to process", "context", "context_length_exceeded"),
        ("Failed to parse messages: no role", "request", "invalid_request"),
        ("out of memory", None, "server_error"),
    ],
)
def test_llama_servers_500(said: str, cause: Cause | None, code: str) -> None:
    body = b'{"error":{"code":500,"message":"%s","type":"server_error"}}' % said.encode()
    assert mistake(body) == cause
    retold = retell(500, body)
    assert retold is not None
    assert (retold.status, retold.code, retold.cause) == (400 if cause else 500, code, cause or "error")


def test_llama_servers_prompt_that_is_too_long() -> None:
    retold = retell(400, b'{"error":{"code":400,"message":"m","type":"exceed_context_size_error"}}')
    assert retold is not None
    assert (retold.status, retold.code, retold.cause) == (400, "context_length_exceeded", "context")


def test_what_is_proper_stays() -> None:
    assert retell(429, b'{"error":{"code":"rate_limit_exceeded","message":"m","type":"t"}}') is None


def test_a_mistake_is_a_cause() -> None:
    assert set(complaints._MISTAKE.groupindex) == set(complaints._CODES) <= set(typing.get_args(Cause))
