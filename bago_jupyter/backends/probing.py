"""What a server can do, read from its answers to requests that lack everything."""

from __future__ import annotations

from collections.abc import Iterable

from ..router.shape import Dialect, Task
from .complaints import about_model
from .dialects import ENDPOINTS

PATHS: dict[Dialect, str] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}
"""Where each dialect is spoken. An empty object sent there has nothing generated: a server that knows the
path complains about it, another one says that there is no such path."""
NOT_THERE = frozenset({404, 405, 501})
_TASKS: dict[Dialect, Task] = {endpoint.dialect: endpoint.task for endpoint in ENDPOINTS.values()}


def speaks(status: int, body: bytes) -> bool:
    """Whether an answer to an empty object is that of a server that knows the path."""
    return about_model(body) if status == 404 else status not in NOT_THERE


def tasks_of(dialects: Iterable[Dialect]) -> frozenset[Task]:
    """What can be asked in ``dialects``."""
    return frozenset(_TASKS[dialect] for dialect in dialects)
