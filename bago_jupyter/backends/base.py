"""What every backend is to the router."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import msgspec

from ..errors import UpstreamFailed
from ..router import Offer
from ..router.shape import Dialect


def nothing() -> None:
    """A callback that does nothing."""


class Request(msgspec.Struct, kw_only=True, gc=False):
    """A request as it is relayed: the client's own bytes."""

    id: str
    path: bytes
    """``/v1/chat/completions`` and the like, without the query."""
    body: bytes
    model: str = ""
    """As the body names it."""
    dialect: Dialect = "chat"
    stream: bool = False
    headers: list[tuple[bytes, bytes]] = []
    """Headers of the client that a backend may see; never its keys."""
    header_timeout: float = 300.0
    admitted: Callable[[], None] = nothing
    """Called by a peer's backend when the peer has said that it has the request."""


class Answering(Protocol):
    """What the dispatcher needs of an exchange; :class:`~bago_jupyter.relay.Exchange` is one."""

    status: int
    headers: list[tuple[bytes, bytes]]

    @property
    def complete(self) -> bool: ...

    def header(self, name: bytes) -> bytes | None: ...

    async def read(self) -> bytes: ...

    def fail(self, error: UpstreamFailed) -> None:
        """Break it off: whoever reads gets ``error``."""
        ...

    def close(self) -> None: ...


class Opened(NamedTuple):
    """An exchange whose response head is there; ``release`` is called once when it is over."""

    exchange: Answering
    release: Callable[[], None]


class Backend(Protocol):
    """One thing that answers. Belongs to the node's loop."""

    id: str
    kind: str
    node: str
    """Name of the node or connection it stands for."""

    def offers(self) -> Iterable[Offer]:
        """What it has now."""
        ...

    async def open(self, request: Request, offer: Offer) -> Opened:
        """Send ``request``. Raises a :class:`~bago_jupyter.errors.BagoError` when it cannot be sent."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
