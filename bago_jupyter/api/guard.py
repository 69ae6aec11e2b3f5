"""Who may ask: browsers' origins, the host they think they talk to, and keys."""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import Any

from ..errors import Forbidden, Unauthorized
from ..http1.strangers import is_loopback

_OWN_PAGE = re.compile(rb"(?i:[a-z][a-z0-9+.-]*://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?)")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ADMIN_HINT = "This route is for the node's own tools: they read the token in node.json."


def check_host(host: bytes | None, origin: bytes | None) -> None:
    """Refuse a browser that was led here (DNS rebinding, cross-site requests).

    A page of another site that resolves its own name to 127.0.0.1 still sends that name as Host,
    and every cross-site request that could do harm carries its Origin. Raises :class:`Forbidden`.
    """
    if host is not None and not _local_host(host):
        raise Forbidden("This API answers on localhost only; ask for http://127.0.0.1 with its port.")
    if origin is not None and not is_own_page(origin):
        raise Forbidden("Web pages of other sites may not use this API.")


def is_own_page(origin: bytes) -> bool:
    """Whether an ``Origin`` (RFC 6454, 7) is a page of this machine's own."""
    return _OWN_PAGE.fullmatch(origin) is not None


def is_local(scope: Any) -> bool:
    """Whether the connection comes from this machine's loopback."""
    client = scope.get("client")
    return client is not None and is_loopback(client[0])


def check_external(path: bytes, external: bool) -> None:
    """What plain HTTP from another machine may ask for. Raises :class:`Forbidden`."""
    if not external:
        raise Forbidden(
            "This node answers plain HTTP from its own machine only; its owner can allow more with external "
            "access and an API key, or pair your node with it."
        )
    if path.startswith(b"/api/"):
        raise Forbidden("A node is managed from its own machine only.")


def check_key(presented: bytes | None, *keys: str | None) -> None:
    """Compare the client's key with each valid one in constant time. Raises :class:`Unauthorized`."""
    given = presented or b""
    valid = [hmac.compare_digest(given, key.encode()) for key in keys if key]
    if not any(valid):
        what = "is wrong" if presented else "is missing"
        raise Unauthorized(f"The API key {what}; send it as 'Authorization: Bearer KEY'.")


def check_admin(presented: bytes | None, token: str) -> None:
    """As :func:`check_key` for management. Raises :class:`Unauthorized`."""
    if not is_admin(presented, token):
        raise Unauthorized(_ADMIN_HINT)


def is_admin(presented: bytes | None, token: str) -> bool:
    """Whether ``presented`` is the local admin token. Takes constant time."""
    return hmac.compare_digest(presented or b"", token.encode())


def bearer(authorization: bytes | None) -> bytes | None:
    """The token of an ``Authorization: Bearer`` header (RFC 6750, 2.1)."""
    if authorization is not None and authorization[:7].lower() == b"bearer ":
        return authorization[7:].strip()
    return None


@lru_cache(256)
def _local_host(host: bytes) -> bool:
    return _name(host.decode("latin-1")) in LOOPBACK_NAMES


def _name(host: str) -> str:
    """Host without its port; all of it where that is none."""
    name, colon, port = host.rpartition(":")
    if not colon or (host.startswith("[") and host.endswith("]")):
        return host.lower()
    return name.lower() if not port or port.isdecimal() else host
