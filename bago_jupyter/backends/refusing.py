"""Errors as answers, in the client's own dialect."""

from __future__ import annotations

from typing import Protocol

from ..errors import BagoError, MethodNotAllowed, Overloaded
from ..router.shape import Dialect
from .dialects import error_body


class Answerable(Protocol):
    """What an error is answered to."""

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None: ...


def refuse(client: Answerable, error: BagoError, dialect: Dialect = "chat", id: str | None = None) -> None:
    """Answer with ``error`` in ``dialect``."""
    headers = [(b"content-type", b"application/json")]
    if id is not None:
        headers.append((b"x-request-id", id.encode()))
        if dialect == "messages":
            headers.append((b"request-id", id.encode()))
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after))))
    if isinstance(error, Overloaded) and error.queued:
        headers.append((b"x-bago-queue", b"%d" % error.queued))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allow.encode()))
    client.respond(error.status, headers, error_body(error, dialect))
