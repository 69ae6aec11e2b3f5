"""Who makes a request: whose fair share it takes, and under whom it is counted.

Every caller is named with what kind it is, so that none can pass for one of another kind: ``peer:DIGITS``
(of the fingerprint; a peer calls itself what it likes),
``key:NAME`` (a named API key), ``notebook:NAME``, ``cli``, ``address:IP`` for other machines, ``local``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..http1 import Incoming
from ..mesh.naming import key_of
from ..trust.peers import Peer
from .context import Context
from .guard import bearer, check_key, is_admin

HEADER = b"x-bago-caller"
"""What a face of this machine calls itself; it ends here and no backend sees it."""
LONGEST = 64
"""Characters of a face's name."""
LOCAL = "local"
CLI = "cli"
PAIRED = "bago.paired"
"""Key of the ASGI scope under which a checked peer stands."""


class Callers:
    """Names the caller of a request, and checks its key. Belongs to the node's loop."""

    def __init__(self, context: Context):
        self._context = context

    def client(self, incoming: Incoming) -> str:
        """The caller of a request of ``/v1``. Raises :class:`Unauthorized` where its key is missing or wrong.

        A key counts more than the name that a face gives itself, which counts from this machine only,
        or with the admin token.
        """
        context, local, headers = self._context, incoming.local, incoming.first
        presented = bearer(headers.get(b"authorization")) or headers.get(b"x-api-key")
        name = context.api_keys.name_of(presented)
        if name is not None:
            incoming.known()
            return f"key:{name}"
        required = context.settings.api_key
        if required is not None or not local:
            check_key(presented, required, context.admin_token)
            incoming.known()
        said = headers.get(HEADER)
        if said is not None and (local or is_admin(presented, context.admin_token)):
            face = _face(said)
            if face is not None:
                return face
        return LOCAL if local else f"address:{incoming.address[0]}"

    @staticmethod
    def peer(peer: Peer) -> str:
        """A paired node as a caller."""
        return f"peer:{key_of(peer.fingerprint)}"


def manager(scope: Any) -> str:
    """The caller of a management request whose right was checked."""
    peer = scope.get(PAIRED)
    if peer is not None:
        return Callers.peer(peer)
    said = next((value for name, value in scope["headers"] if name == HEADER), None)
    return (_face(said) if said is not None else None) or LOCAL


@lru_cache(256)
def _face(said: bytes) -> str | None:
    """The caller that a face says it is; ``None`` for what is no name."""
    try:
        name = said.decode()
    except UnicodeDecodeError:
        return None
    if not 1 <= len(name) <= LONGEST or not name.isprintable():
        return None
    return CLI if name == CLI else f"notebook:{name}"
