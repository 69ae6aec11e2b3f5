"""One message to another node over TLS, and the answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence

import msgspec

from ..errors import NodeUnreachable, UpstreamFailed, UpstreamTimeout
from ..http1 import Pool
from ..trust import address
from ..trust.messages import LARGEST
from ..trust.refusal import Refused

TIMEOUT = 5.0
STAGGER = 0.15
"""Seconds after which the next address is tried beside those under way (RFC 8305, 5)."""


class _Error(msgspec.Struct):
    message: str
    code: str | None = None


class _ErrorBody(msgspec.Struct):
    error: _Error


async def post(pool: Pool, path: str, body: bytes, head: bytes = b"", timeout: float = TIMEOUT) -> bytes:
    """``POST`` a message and return the answer, which has ``timeout`` seconds to be whole. Raises
    :class:`Refused` with the other node's sentence, or :class:`UpstreamFailed`."""
    start = f"POST {path} HTTP/1.1\r\nhost: node\r\ncontent-length: {len(body)}\r\n".encode()
    try:
        async with asyncio.timeout(timeout):
            exchange = await pool.send(start + head + b"\r\n", body, timeout)
            try:
                answer = await exchange.read_all(LARGEST + 1)
            finally:
                exchange.close()
    except TimeoutError:
        raise UpstreamTimeout(f"The other node gave no whole answer within {timeout:g} s.") from None
    if exchange.status >= 400:
        try:
            error = msgspec.json.decode(answer, type=_ErrorBody).error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamFailed(f"The other node answered {exchange.status}.") from None
        raise Refused(error.message)
    return answer


async def post_anywhere(addresses: Sequence[str], tls: ssl.SSLContext, path: str, body: bytes) -> bytes:
    """The answer of the first of ``addresses`` that gives one; they are tried in order, overlapping.

    Raises what the last to fail raised, a refusal before a failed connection.
    """
    if not addresses:
        raise NodeUnreachable("That node has no known address.")
    tasks: list[asyncio.Task[bytes]] = []
    try:
        for text in addresses:
            tasks.append(asyncio.create_task(_once(text, tls, path, body)))
            await asyncio.wait(tasks, timeout=STAGGER, return_when=asyncio.FIRST_COMPLETED)
            if any(task.done() and task.exception() is None for task in tasks):
                break
        while pending := [task for task in tasks if not task.done()]:
            if any(task.done() and task.exception() is None for task in tasks):
                break
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        errors = []
        for task in tasks:
            if task.done():
                error = task.exception()
                if error is None:
                    return task.result()
                errors.append(error)
        errors.sort(key=lambda error: not isinstance(error, Refused))
        raise errors[0]
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(BaseException):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _once(text: str, tls: ssl.SSLContext, path: str, body: bytes) -> bytes:
    host, port = address.split(text)
    pool = Pool(host, port, tls=tls, connect_timeout=TIMEOUT)
    try:
        return await post(pool, path, body)
    finally:
        pool.close()
