"""What every backend is to the router."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from ..http1 import Response
from ..router import Offer
from ..router.shape import Dialect
from ..trust.secret import Secret


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
    """Seconds that a backend may take to the head of its answer."""
    idle_timeout: float = 120.0
    """Seconds without a byte in the middle of an answer after which its backend counts as frozen."""
    admitted: Callable[[], None] = nothing
    """Called by a peer's backend when the peer has said that it has the request."""


class Answering(Protocol):
    """What the dispatcher needs of a response; :class:`~bago_jupyter.http1.Response` is one."""

    status: int
    headers: list[tuple[bytes, bytes]]

    @property
    def complete(self) -> bool: ...

    def header(self, name: bytes) -> bytes | None: ...

    async def read(self) -> bytes: ...

    def close(self) -> None: ...


class Client(Protocol):
    """Where the answer goes; :class:`~bago_jupyter.http1.Incoming` says what each part means."""

    started: bool

    @property
    def paused(self) -> bool: ...

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None: ...
    def start(self, status: int, headers: list[tuple[bytes, bytes]], chunk: bytes = b"") -> None: ...
    def write(self, chunk: bytes) -> None: ...
    def end(self, chunk: bytes = b"") -> None: ...
    def abort(self) -> None: ...


class Opened(NamedTuple):
    """A response whose head is there; ``release`` is called once when it is over."""

    exchange: Answering
    release: Callable[[], None]
    key: Secret | None = None
    """What was shown to whoever answers: no error of theirs may repeat it to a client."""


class Backend(Protocol):
    """One thing that answers. Belongs to the node's loop.

    One that can also send at once is a :class:`Beginner`.
    """

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


@runtime_checkable
class Beginner(Protocol):
    """A backend that can send without waiting for anything what its offer speaks itself."""

    @property
    def begin(self) -> Callable[[Request], Response | None]:
        """Send a request on a connection that is there, or return ``None``.

        It is called for requests in a dialect of :attr:`~bago_jupyter.router.Offer.native`, for the model
        that they name. What comes of it is given to :meth:`open`, unless the client can be given the answer
        as it is.
        """
        ...

    @property
    def key(self) -> Secret | None:
        """What requests that are sent by :attr:`begin` show."""
        ...

    async def open(self, request: Request, offer: Offer, begun: Response | None = None) -> Opened:
        """As :meth:`Backend.open`; ``begun`` is what :attr:`begin` made of the same request."""
        ...
