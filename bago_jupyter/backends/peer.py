"""Another node of the mesh: its shared models, asked over TLS."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..errors import Unavailable
from ..hidden import hide
from ..http1 import Pool
from ..router import Offer
from ..router.offer import Health
from ..trust.secret import Secret
from .base import Opened, Request, nothing
from .framed import LOADING, FramedExchange
from .hushed import hushed
from .splice import replace_model

ADMISSION = 3.0
"""Seconds within which a live peer answers that it admitted a request."""
RELAY = b"/mesh/v1/relay"


class PeerBackend:
    """The models that one paired node shares. Belongs to the node's loop.

    Whoever follows the peer sets what is known of it: :attr:`entries`, :attr:`health`, :meth:`reach`.
    """

    kind = "peer"

    def __init__(self, fingerprint: str, name: str, token: Secret):
        self.id = f"peer:{fingerprint[3:11]}"
        self.node = name
        """What it is called here, which tells it from every other node."""
        self.fingerprint = fingerprint
        self.token = token
        self.entries: tuple[Offer, ...] = ()
        """As the peer tells them; backend, node and health are filled in by :meth:`offers`."""
        self.health: Health = "unknown"
        self.reason: str | None = "not reached yet"
        self.in_routing = True
        self.priority = 0
        self.weight = 1.0
        self.since = 0.0
        """When it was paired, as a Unix time."""
        self.max_load_percent = 100
        self._pool: Pool | None = None

    @property
    def token(self) -> Secret:
        """What it is asked with."""
        return self._token

    @token.setter
    def token(self, token: Secret) -> None:
        self._token = token
        hide(token.reveal())

    @property
    def address(self) -> str | None:
        """``host:port`` at which it is asked."""
        return self._pool.authority if self._pool is not None else None

    @property
    def pool(self) -> Pool | None:
        """Its connections, once it was reached."""
        return self._pool

    def reach(self, pool: Pool) -> None:
        """Ask it over ``pool`` from now on; what runs on the old one may end there."""
        if self._pool is not None and self._pool is not pool:
            self._pool.close_idle()
        self._pool = pool

    def head(self, method: bytes, path: bytes, length: int = 0) -> bytes:
        """A request head for the peer, without its final blank line."""
        return b"%s %s HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer %s\r\ncontent-length: %d\r\n" % (
            method,
            path,
            self.fingerprint[3:11].encode(),
            self.token.reveal().encode(),
            length,
        )

    def offers(self) -> Iterable[Offer]:
        for entry in self.entries:
            yield msgspec.structs.replace(
                entry,
                backend=self.id,
                node=self.node,
                peer=True,
                health=self.health if self.in_routing else "disabled",
                reason=self.reason if self.in_routing else "taken out of routing by its settings here",
                priority=self.priority,
                max_load_percent=self.max_load_percent,
                weight=self.weight,
                since=self.since,
            )

    async def open(self, request: Request, offer: Offer) -> Opened:
        """Relay ``request``; it is admitted at once or fails."""
        if self._pool is None:
            raise Unavailable(f"{self.node} has not been reached yet.")
        body = request.body
        if request.model != offer.model:
            body = replace_model(body, request.model, offer.model)
        lines = [self.head(b"POST", RELAY + request.path, len(body))]
        lines += (b"x-request-id: ", request.id.encode(), b"\r\n")
        for name, value in request.headers:
            lines += (name, b": ", value, b"\r\n")
        outer = await self._pool.send(b"".join(lines) + b"\r\n", body, ADMISSION, request.idle_timeout)
        if outer.status == 200:
            request.admitted()
        framed = FramedExchange(outer)
        try:
            opened = await framed.opened(request.header_timeout + LOADING)
            return Opened(hushed(opened, self.token), nothing, self.token)
        except BaseException:
            framed.close()
            raise

    def cut(self) -> None:
        """Break what runs there: the peer is gone, or may no longer be asked."""
        if self._pool is not None:
            self._pool.close()

    async def close(self) -> None:
        self.cut()
