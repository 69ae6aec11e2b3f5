"""Every error that a person or a client may see.

Each carries the HTTP status and the OpenAI ``type`` and ``code`` it is answered with, so that
the API only renders and never decides, and a ``cause``, by which the node decides. Messages are one
sentence that says what to do, for people: nothing here looks into one. What a message repeats of others is
cleaned: it is one line, without control characters and without keys of this node.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from .hidden import unrepeated
from .text import plain

Cause = Literal[
    "refused",
    "frozen",
    "broken",
    "error",
    "limit",
    "late",
    "key",
    "forbidden",
    "gone",
    "unsupported",
    "context",
    "request",
]
"""Why something failed, as far as the node decides by it:

- ``refused``: nobody listens there.
- ``frozen``: no sign of life by the deadline.
- ``broken``: the connection ended before the answer did.
- ``error``: a 5xx, or any other failure of whoever was asked.
- ``limit``: it has too much to do (429).
- ``late``: another one overtook it while it was silent.
- ``key``: it refuses the key of this node (401).
- ``forbidden``: it forbids this to the key of this node (403).
- ``gone``: what was asked for is not there, or not any more (404, or removed since it was chosen).
- ``unsupported``: it cannot do what the request asks for, another one may.
- ``context``: the prompt is too long.
- ``request``: the request itself is to blame, and would fail everywhere.
"""
LONGEST = 1500
"""Characters of a message; a longer one is cut in its middle, so that what to do stays readable."""


def cause_of_status(status: int) -> Cause:
    """What an answer that is an error says, its key aside."""
    if status == 429:
        return "limit"
    if status >= 500:
        return "error"
    return "gone" if status == 404 else "request"


class BagoError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is safe to show (it holds no secret)."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    cause: Cause = "error"
    request: str | None = None
    """Id of the request that failed, where a client was told it."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        cause: Cause | None = None,
    ):
        message = unrepeated(plain(message))
        if len(message) > LONGEST:  # it repeats what somebody sent
            message = f"{message[: LONGEST * 2 // 3]} ... {message[-LONGEST // 3 :]}"
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        if cause is not None:
            self.cause = cause


class SettingsError(BagoError):
    """A setting has an unknown name or a value that cannot be used."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_setting"
    cause = "request"


class InvalidRequest(BagoError):
    """The request cannot be understood as it stands."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"
    cause: Cause = "request"


class ContextTooLong(InvalidRequest):
    """The prompt does not fit the context of any node that has the model."""

    code = "context_length_exceeded"
    cause = "context"


class ModelNotFound(BagoError):
    """No node of the mesh has a model of that name."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_found"
    cause = "gone"


class NotFound(BagoError):
    """The addressed thing (route, decision, runner) does not exist."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"
    cause = "gone"


class MethodNotAllowed(BagoError):
    """The route exists, the method does not."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"
    cause = "request"

    def __init__(self, message: str, *, allow: str):
        super().__init__(message)
        self.allow = allow
        """The methods that exist (RFC 9110, 10.2.1)."""


class Unauthorized(BagoError):
    """A key is missing or wrong."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"
    cause = "request"


class Forbidden(BagoError):
    """The caller is known or local, but may not do this."""

    status = 403
    type = "permission_error"
    code = "forbidden"
    cause = "request"


class BodyTooLarge(BagoError):
    """The request body is over the limit of the settings."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"
    cause = "request"


class UnsupportedEncoding(BagoError):
    """The request body is compressed."""

    status = 415
    type = "invalid_request_error"
    code = "unsupported_encoding"
    cause = "request"


class Overloaded(BagoError):
    """Every slot and every place in the queue is taken."""

    status = 429
    type = "rate_limit_error"
    code = "overloaded"
    cause = "limit"

    def __init__(self, message: str, *, retry_after: float | None = None, queued: int = 0):
        super().__init__(message, retry_after=retry_after)
        self.queued = queued
        """Requests that wait."""


class Unsupported(BagoError):
    """The backend has the model, but cannot do this with it."""

    status = 400
    type = "invalid_request_error"
    code = "unsupported"
    cause = "unsupported"


class Unavailable(BagoError):
    """Nothing that could answer is able to at present."""

    status = 503
    type = "server_error"
    code = "unavailable"


class UpstreamFailed(BagoError):
    """The backend broke off, or answered something that is not HTTP."""

    status = 502
    type = "server_error"
    code = "upstream_failed"


class UpstreamTimeout(UpstreamFailed):
    """The backend did not answer before the deadline."""

    status = 504
    code = "upstream_timeout"
    cause = "frozen"


class LoadFailed(BagoError):
    """A runner could not load the model."""

    status = 503
    code = "load_failed"


class TrialFailed(BagoError):
    """A connection was tried, and does not work; ``param`` is what to give it, where that is known. Whoever
    wants it all the same can force it."""

    status = 502
    code = "connection_failed"


class ModelFileError(BagoError):
    """A model file is damaged, incomplete or of a kind that no engine here reads."""

    status = 400
    type = "invalid_request_error"
    code = "bad_model_file"
    cause = "request"


class PullFailed(BagoError):
    """A model could not be fetched; what arrived is kept for the next try, never shown as a model."""

    status = 502
    code = "pull_failed"


class PullCancelled(PullFailed):
    """Somebody else ended the pull; what arrived is kept."""

    status = 409
    code = "pull_cancelled"
    cause = "request"


class NodeUnreachable(BagoError):
    """No node answers at the address that this client was told."""

    status = 503
    code = "node_unreachable"


class StateError(BagoError):
    """The state directory cannot be used (permissions, a damaged file, a full disk)."""

    code = "state_unusable"
