"""Which dialects a server speaks, found out without having it generate anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..backends.probing import PATHS, speaks
from ..backends.target import Target
from ..errors import UpstreamFailed
from ..router.shape import Dialect
from .listing import TIMEOUT, KeyRefused


async def dialects(
    target: Target, timeout: float = TIMEOUT, only: Iterable[Dialect] = tuple(PATHS)
) -> frozenset[Dialect]:
    """Those of ``only`` that the server at ``target`` speaks.

    An empty object is sent to each path. It lacks all that a request needs, so nothing is generated.
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
    return speaks(exchange.status, body)
