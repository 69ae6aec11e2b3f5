from __future__ import annotations

from typing import Any

import pytest
from backends.translate.telling import decode, encode

from bago_jupyter.backends.translate.failures import error_body, read_body, read_error


@pytest.mark.parametrize(
    ("status", "kind", "chat"),
    [
        (400, "invalid_request_error", "invalid_request_error"),
        (401, "authentication_error", "authentication_error"),
        (404, "not_found_error", "invalid_request_error"),
        (429, "rate_limit_error", "rate_limit_error"),
        (500, "api_error", "server_error"),
        (529, "overloaded_error", "server_error"),
    ],
)
def test_anthropic_to_openai(status: int, kind: str, chat: str) -> None:
    body = encode({"type": "error", "error": {"type": kind, "message": "Why"}, "request_id": "r"})
    told = decode(error_body(read_body(status, body), "chat"))
    assert told == {"error": {"message": "Why", "type": chat, "param": None, "code": kind}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "overloaded_error"),
    ],
)
def test_openai_to_anthropic(status: int, kind: str) -> None:
    body = encode({"error": {"message": "Why", "type": "x", "param": "p", "code": "c"}})
    told = decode(error_body(read_body(status, body), "messages"))
    assert told == {"type": "error", "error": {"type": kind, "message": "Why"}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":"model not found"}', "model not found"),  # Ollama
        (b'{"detail":"Not here"}', "Not here"),  # FastAPI
        (b'{"object":"error","message":"Old","code":40001}', "Old"),  # vLLM before 0.10
        (b"<html>Bad gateway", "The backend answered 502: <html>Bad gateway"),
        (b"", "The backend answered 502: no reason given"),
        (b'{"error":{"code":[]}}', "The backend reported an error without a reason."),
        (b"\xff\xfe", "The backend answered 502: \ufffd\ufffd"),
    ],
)
def test_errors_in_other_forms(body: bytes, message: str) -> None:
    assert read_body(502, body).message == message


def test_a_prompt_that_is_too_long_is_told_as_each_client_knows_it() -> None:
    llama = encode({"error": {"code": 400, "message": "9 tokens", "type": "exceed_context_size_error"}})
    openai = encode({"error": {"code": "context_length_exceeded", "message": "9 tokens", "type": "x"}})
    for body in (llama, openai):
        told = decode(error_body(read_body(400, body), "messages"))
        assert told["error"] == {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens"}
    said = "prompt is too long: 9 tokens > 8 maximum"
    anthropic = encode({"type": "error", "error": {"type": "invalid_request_error", "message": said}})
    error = decode(error_body(read_body(400, anthropic), "chat"))["error"]
    assert (error["code"], error["param"], error["message"]) == ("context_length_exceeded", "messages", said)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"type": "overloaded_error", "message": "x"}, 503),
        ({"type": "invalid_request_error", "message": "x"}, 400),
        ({"code": 429, "message": "x"}, 429),
        ({"code": 40001, "message": "x"}, 502),
        ({"type": "unheard_of", "message": "x"}, 502),
        ("x", 502),
        (None, 502),
    ],
)
def test_an_error_event_has_the_status_of_its_type(told: Any, status: int) -> None:
    assert read_error(told).status == status
