"""What a backend sends behind the last word of its answer, which nobody reads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Response

LINGER = 1.0
"""Seconds for which HTTP's end is waited for, so that the connection may be kept."""


class Leaving:
    """The listener of a response that is left: drops what comes, and closes it where that is not its end."""

    __slots__ = ("_response", "_until")

    def __init__(self, response: Response, until: float):
        self._response = response
        self._until = until

    def __call__(self) -> None:
        response = self._response
        over = response.complete or response.error is not None
        if over or time.monotonic() > self._until:
            response.listener = None
            response.close()
        response.take()
