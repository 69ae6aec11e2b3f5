"""What servers beyond this node complain of, read from their own words.

Nowhere else is anything searched for in a sentence: some servers tell by nothing else whose fault it is, or
what is wrong. Everything here is a guess about somebody else's wording, and says which server it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import cast

import msgspec

from ..errors import BagoError, Cause, cause_of_status

_MISTAKE = re.compile(
    rb"(?P<unsupported>(?:image|audio|video) input is not supported|\"code\"\s*:\s*\"unsupported\")"
    rb"|(?P<context>input \(\d+ tokens\) is too large to process"
    rb"|\"(?:code|type)\"\s*:\s*\"(?:context_length_exceeded|exceed_context_size_error)\""
    rb"|(?<=\")prompt is too long"  # Anthropic; the line before: OpenAI and llama-server
    rb"|maximum context length (?:is|of) \d+ tokens"  # vLLM, as OpenAI once did
    rb"|longer than the (?:maximum model length|model's context length)"  # vLLM; SGLang
    rb"|Requested tokens \(\d+\) exceed context window"  # llama-cpp-python
    rb"|`inputs` tokens \+ `max_new_tokens` must be <=|`inputs` must have less than \d+ tokens"  # TGI
    rb"|input token count \(?\d+\)? exceeds the maximum)"  # Gemini
    rb"|(?P<request>Failed to parse (?:messages|tools): |'\w+' is required(?=\"|$))"
)
_CODES: dict[Cause, str] = {
    "unsupported": "unsupported",
    "context": "context_length_exceeded",
    "request": "invalid_request",
}
_TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error"})
"""Names of OpenAI and llama-server for a prompt beyond the context."""
_PROMPT_TOO_LONG = "prompt is too long"
"""How Anthropic's message of such a prompt begins; its clients compact their history by it."""


def mistake(body: bytes) -> Cause | None:
    """Why the request is to blame for an error, whatever its status; ``None`` where it is not.

    llama-server answers 500 to such requests; their next try would fail as well.
    """
    found = _MISTAKE.search(body)
    return cast(Cause, found.lastgroup) if found is not None else None


def too_long(message: str, names: Collection[str]) -> bool:
    """Whether an error with this ``message``, and these ``names`` as its code and type, is of a prompt that
    is too long."""
    return (
        not _TOO_LONG.isdisjoint(names)
        or message.startswith(_PROMPT_TOO_LONG)
        or mistake(message.encode("utf-8", "replace")) == "context"
    )


def said_too_long(message: str) -> str:
    """``message`` as Anthropic says it of a prompt that is too long."""
    return message if message.startswith(_PROMPT_TOO_LONG) else f"{_PROMPT_TOO_LONG}: {message}"


def about_key(body: bytes) -> bool:
    """Whether a 400 is of the key, which is Gemini's way to refuse one."""
    return b"api key" in body.lower()


def about_model(body: bytes) -> bool:
    """Whether a 404 is of the model: there are servers that miss it before anything else."""
    return b"model" in body.lower()


def about_clock(said: str) -> bool:
    """Whether Backend.AI's manager refuses the time of this machine."""
    return "date/time sync" in said.lower()


def about_version(said: str) -> bool:
    """Whether Backend.AI's manager refuses the API version."""
    return "api version" in said.lower()


class _Upstream(msgspec.Struct):
    message: str
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _UpstreamBody(msgspec.Struct):
    error: _Upstream


class Retold(BagoError):
    """An error that a backend answered, retold for clients of the same dialect."""

    def __init__(
        self, status: int, message: str, type: str, code: str, param: str | None, cause: Cause | None = None
    ):
        super().__init__(message, param=param, cause=cause or cause_of_status(status))
        self.status = status  # type: ignore[misc]
        self.type = type  # type: ignore[misc]
        self.code = code  # type: ignore[misc]


def retell(status: int, body: bytes) -> Retold | None:
    """A backend's error body as an error of ours, or ``None`` where it is proper already.

    llama-server puts the HTTP status into ``code`` and has type names of its own.
    """
    try:
        error = msgspec.json.decode(body, type=_UpstreamBody).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body[:200].decode("utf-8", "replace").strip() or "no reason given"
        return Retold(status, f"The backend answered {status}: {text}", "server_error", "backend", None)
    if isinstance(error.code, str) or (error.code is None and error.type is not None):
        return None
    if status in (400, 413, 422) and too_long(error.message, [error.type or ""]):
        return Retold(400, error.message, "invalid_request_error", _CODES["context"], "messages", "context")
    if status == 500 and (cause := mistake(error.message.encode())) is not None:
        return Retold(400, error.message, "invalid_request_error", _CODES[cause], error.param, cause)
    kind = "invalid_request_error" if status < 500 else "server_error"
    return Retold(status, error.message, kind, error.type or kind, error.param)
