"""Errors of a backend, retold in the client's dialect."""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import UpstreamFailed, cause_of_status
from ...lenient import sentence
from ..complaints import said_too_long, too_long
from .shapes import ClientDialect
from .tolerant import decoded

_STATUS_OF = {
    "invalid_request_error": 400,
    "exceed_context_size_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 503,
}
"""For errors that come as an event, without a status (https://platform.claude.com/docs/en/api/errors)."""
_MESSAGES_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
TOO_LONG = "context_length_exceeded"
_CHAT_TYPE = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class BackendError(UpstreamFailed):
    """An error that the backend told, as an answer or in the middle of a stream."""

    def __init__(self, status: int, message: str, kind: str, code: str, param: str | None = None):
        cause = "context" if status == 400 and code == TOO_LONG else cause_of_status(status)
        super().__init__(message, param=param, cause=cause)
        self.status = status  # type: ignore[misc]
        self.type = kind  # type: ignore[misc]
        self.code = code  # type: ignore[misc]


def read_body(status: int, body: bytes) -> BackendError:
    """The error in a backend's answer of ``status``, in whatever form it has."""
    try:
        told = decoded(body)
    except (msgspec.DecodeError, RecursionError):
        text = body[:200].decode("utf-8", "replace").strip() or "no reason given"
        told = f"The backend answered {status}: {text}"
    if isinstance(told, dict) and told.get("error"):
        told = told["error"]
    return read_error(told, status)


def read_error(told: Any, status: int | None = None) -> BackendError:
    """The error in ``told``: the error object of either dialect, FastAPI's ``detail``, or a bare text."""
    if isinstance(told, list) and told:  # Gemini
        told = told[0]
    if isinstance(told, dict) and isinstance(told.get("error"), dict):
        told = told["error"]
    if not isinstance(told, dict):
        told = {"message": told}
    message = sentence(told) or "The backend reported an error without a reason."
    names = [name for name in (told.get("code"), told.get("type")) if isinstance(name, str)]
    if status is None:
        number = told.get("code")
        if isinstance(number, int) and 400 <= number < 600:
            status = number
        else:
            status = next((_STATUS_OF[name] for name in names if name in _STATUS_OF), 502)
    if status == 529:  # Anthropic's own for "overloaded"
        status = 503
    if status == 400 and too_long(message, names):
        return BackendError(400, message, "invalid_request_error", TOO_LONG, "messages")
    kind = _CHAT_TYPE.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    param = told.get("param")
    return BackendError(
        status, message, kind, names[0] if names else kind, param if isinstance(param, str) else None
    )


def error_body(error: BackendError, client: ClientDialect) -> bytes:
    """The body of an error answer to ``client``."""
    if client == "chat":
        told = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
        return msgspec.json.encode({"error": told})
    message = said_too_long(error.message) if error.code == TOO_LONG else error.message
    kind = _MESSAGES_TYPE.get(error.status) or (
        "invalid_request_error" if error.status < 500 else "api_error"
    )
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})
