"""Which dialects a server speaks, found out without having it generate anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..backends.complaints import about_model
from ..backends.target import Target
from ..errors import UpstreamFailed
from ..router.shape import Dialect
from .listing import NOT_THERE, TIMEOUT, KeyRefused

PATHS: dict[Dialect, str] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}


async def dialects(
    target: Target, timeout: float = TIMEOUT, only: Iterable[Dialect] = tuple(PATHS)
) -> frozenset[Dialect]:
    """Those of ``only`` that the server at ``target`` speaks.

    An empty object is sent to each path. It lacks all that a request needs, so nothing is generated: a
    server that knows the path complains about it, another one says that there is no such path.
    Raises :class:`KeyRefused` and :class:`UpstreamFailed`.
    """
    asked = list(only)
    known = await asyncio.gather(*(_speaks(target, PATHS[dialect], timeout) for dialect in asked))
    return frozenset(dialect for dialect, speaks in zip(asked, known, strict=True) if speaks)


async def _speaks(target: Target, path: str, timeout: float) -> bool:
    try:
        async with asyncio.timeout(timeout):
            exchange = await target.ask("POST", path, b"{}", timeout)
            try:
                body = await exchange.read_all(4096)
            finally:
                exchange.close()
    except TimeoutError:
        raise UpstreamFailed(f"It sent no whole answer to {path} within {timeout:g} s.") from None
    if exchange.status in (401, 403):
        raise KeyRefused(
            f"the key is refused ({exchange.status})" if target.key else f"it wants a key ({exchange.status})"
        )
    if exchange.status == 404:
        return about_model(body)
    return exchange.status not in NOT_THERE
