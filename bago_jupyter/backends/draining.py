"""What comes behind the last word of an answer."""

from __future__ import annotations

import asyncio
import contextlib

from ..errors import BagoError
from .base import Answering

LINGER = 0.2
"""Seconds that the end of a body may take behind its last word."""


async def drain(exchange: Answering) -> None:
    """Wait for HTTP's end as long as a kept connection is worth, and drop what comes before it."""
    with contextlib.suppress(TimeoutError, BagoError):
        async with asyncio.timeout(LINGER):
            while await exchange.read():
                pass
