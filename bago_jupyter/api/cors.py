"""Pages of this machine may call ``/v1``: what a browser wants to hear for that.

https://fetch.spec.whatwg.org/#http-cors-protocol. Origins are exactly those that the guard accepts. No
credentials: keys are sent in ``Authorization``, which is allowed.
"""

from __future__ import annotations

import re

from ..http1 import Incoming

MAX_AGE = 600
"""Seconds for which a browser may remember the answer to a preflight."""
ALLOWED = ("authorization", "content-type", "x-api-key", "x-request-id", "x-bago-caller")
EXPOSED = ("x-request-id", "request-id", "x-bago-node", "x-bago-attempts", "x-bago-queue", "retry-after")
"""Headers of an answer that a page may read."""
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
MOST = 32
"""Headers that a page may ask for."""


def allow(incoming: Incoming, origin: bytes) -> None:
    """Every answer to ``incoming`` lets the page of ``origin`` read it."""
    lines = (
        b"access-control-allow-origin: " + origin,
        b"access-control-expose-headers: " + ", ".join(EXPOSED).encode(),
        b"vary: origin\r\n",
    )
    incoming.extra += b"\r\n".join(lines)


def is_preflight(incoming: Incoming) -> bool:
    """Whether a browser asks if it may ask."""
    return incoming.method == b"OPTIONS" and b"access-control-request-method" in incoming.first


def preflight(incoming: Incoming) -> None:
    """Answer it."""
    asked = incoming.first.get(b"access-control-request-headers", b"").decode("latin-1")
    wanted = [name.strip().lower() for name in asked.split(",")][:MOST]
    headers = dict.fromkeys([*ALLOWED, *(name for name in wanted if _NAME.fullmatch(name))])
    incoming.respond(
        204,
        [
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-allow-headers", ", ".join(headers).encode()),
            (b"access-control-max-age", b"%d" % MAX_AGE),
        ],
        b"",
    )
