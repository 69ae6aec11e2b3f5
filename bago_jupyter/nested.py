"""HTTP from a synchronous cell to a node on the very loop that runs the cell.

A plain synchronous client would wait for an answer that cannot come while it waits. Where the user
has patched the loop (nest_asyncio2), each wait of the client can run the loop instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar, cast

import httpx

from .errors import BagoError

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` on this thread's running loop, from below it.

    Raises :class:`BagoError` where the loop is not patched; we never patch it ourselves.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        coroutine.close()
        raise BagoError("No loop runs in this thread; use %bago up without --in kernel.") from None
    if not hasattr(asyncio, "_nest_patched"):
        coroutine.close()
        raise BagoError(
            "A magic cannot wait on the kernel's own loop: run `import nest_asyncio2; nest_asyncio2.apply()` "
            "first, or use `await` with bago.Node and bago.AsyncNodeClient."
        )
    return loop.run_until_complete(coroutine)


class NestedTransport(httpx.BaseTransport):
    """A synchronous httpx transport that runs the patched loop while it waits."""

    def __init__(self) -> None:
        self._transport = httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = run(self._transport.handle_async_request(request))
        stream = _Stream(cast(httpx.AsyncByteStream, response.stream))
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    def close(self) -> None:
        run(self._transport.aclose())


class _Stream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream):
        self._stream = stream
        self._parts: AsyncIterator[bytes] = stream.__aiter__()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                yield run(_next(self._parts))
            except StopAsyncIteration:
                return

    def close(self) -> None:
        run(self._stream.aclose())


async def _next(parts: AsyncIterator[bytes]) -> bytes:
    return await anext(parts)
