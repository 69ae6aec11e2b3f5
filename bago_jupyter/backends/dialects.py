"""Errors in the client's own dialect: as a body before the first byte, as an event after it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from ..errors import BagoError
from ..router.shape import Dialect, Task
from .complaints import said_too_long


class Endpoint(NamedTuple):
    """One inference route."""

    dialect: Dialect
    task: Task
    path: bytes
    """The path under which backends serve it."""


COUNT = b"/v1/messages/count_tokens"
"""Where Anthropic's clients ask how long a prompt is."""
ENDPOINTS: dict[bytes, Endpoint] = {
    b"/v1/chat/completions": Endpoint("chat", "generate", b"/v1/chat/completions"),
    b"/v1/completions": Endpoint("completions", "generate", b"/v1/completions"),
    b"/v1/embeddings": Endpoint("embeddings", "embed", b"/v1/embeddings"),
    b"/v1/rerank": Endpoint("rerank", "rerank", b"/v1/rerank"),
    b"/v1/responses": Endpoint("responses", "generate", b"/v1/responses"),
    b"/v1/messages": Endpoint("messages", "generate", b"/v1/messages"),
    COUNT: Endpoint("messages", "generate", COUNT),
}

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def error_body(error: BagoError, dialect: Dialect = "chat") -> bytes:
    """The JSON body of an error answer.

    OpenAI: ``{"error": {message, type, param, code}}``; Anthropic:
    ``{"type": "error", "error": {type, message}}``.
    """
    if dialect == "messages":
        kind = _ANTHROPIC_TYPES.get(error.status, "api_error")
        message = said_too_long(error.message) if error.cause == "context" else error.message
        return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})
    return msgspec.json.encode({"error": _openai(error)})


def error_event(error: BagoError, dialect: Dialect) -> bytes:
    """The SSE event that ends a stream which broke after its first byte."""
    if dialect == "messages":
        return b"event: error\ndata: " + error_body(error, dialect) + b"\n\n"
    if dialect == "responses":
        # flat as OpenAI documents it, and with the object by which its packages know that a stream failed
        told = _openai(error)
        event = {**told, "type": "error", "sequence_number": 0, "error": told}
        return b"event: error\ndata: " + msgspec.json.encode(event) + b"\n\n"
    return b"data: " + error_body(error, dialect) + b"\n\n"


def _openai(error: BagoError) -> dict[str, str | None]:
    return {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
