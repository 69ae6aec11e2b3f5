"""The way to a server that is asked with one key, or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ..backends.base import Opened, Request
from ..backends.http import Found, HttpBackend
from ..errors import UpstreamFailed
from ..http1 import Response
from ..router import Offer
from ..router.shape import Dialect
from ..trust.secret import Secret
from .connection import Connection
from .listing import NoList, fetch, look
from .slots import Queue, read_props, read_queue
from .speaking import dialects
from .trial import Trial, try_out

QUEUE_TIMEOUT = 5.0
TELLERS: dict[str | None, tuple[str, Callable[[bytes], Queue | None]]] = {
    "vllm": ("/metrics", read_queue),
    "sglang": ("/metrics", read_queue),
    "llamacpp": ("/props", read_props),
}
"""Owners of models whose servers tell how many requests they take, or have: where, and in which form."""


class PlainWay(HttpBackend):
    """A server at a URL, its models and its dialects. Belongs to the node's loop."""

    def __init__(self, connection: Connection, key: Secret | None):
        kind = connection.kind
        known = kind.native if connection.native is None else frozenset(connection.native)
        super().__init__(
            connection.name,
            connection.url,
            connection.models or connection.seen or (),
            kind=connection.type,
            key=key,
            manner=kind.manner,
            tasks=kind.tasks,
            native=known,
            official=kind.official,
        )
        self._connection = connection
        self._known = known is not None
        self._changed = False
        """Whether it lists other models than when it was found out what it speaks."""
        self._doubted = False
        """Whether a request was told that the key is refused: some servers list their models without one."""
        self.trouble: str | None = None

    async def queue(self) -> Queue | None:
        teller = next((TELLERS[found.owner] for found in self.found if found.owner in TELLERS), None)
        if teller is None:
            return None
        path, read = teller
        return read(await fetch(self.target, path, QUEUE_TIMEOUT))

    def pause(self) -> float | None:
        return None

    def offers(self) -> Iterable[Offer]:
        return super().offers() if self._known else ()

    async def open(self, request: Request, offer: Offer, begun: Response | None = None) -> Opened:
        try:
            return await super().open(request, offer, begun)
        except UpstreamFailed as error:
            self._doubted = self._doubted or error.cause == "key"
            raise

    async def look(self, timeout: float) -> float:
        begin = time.monotonic()
        try:
            seen = await look(self.target, self._connection.kind, self.node, timeout)
        except NoList:
            if not self._connection.models:
                raise
            found, latency = self._named(), time.monotonic() - begin
        else:
            found, latency = seen.models or self._named(), seen.latency
        if {model.id for model in found} != {model.id for model in self.found}:
            self._changed = self._connection.kind.native is None
        self.found = found
        if not self._known or self._changed:
            try:
                self._learn(await dialects(self.target, timeout))
            except UpstreamFailed:
                if not self._known:  # else what it spoke stays until a probe tells otherwise
                    raise
        elif self._doubted and self.native:
            await dialects(self.target, timeout, sorted(self.native)[:1])
        self._doubted = False
        return latency

    async def try_out(self, timeout: float) -> Trial:
        trial = await try_out(self._connection, self.target, timeout)
        if trial.failed is None and trial.seen is not None:
            self.found = trial.seen.models or self._named()
            if trial.native is not None:
                self._learn(trial.native)
            self._doubted = False
        return trial

    def _learn(self, native: frozenset[Dialect]) -> None:
        if self._connection.kind.native is None:
            self.native, self._known, self._changed = native, True, False

    def _named(self) -> tuple[Found, ...]:
        return tuple(Found(id=model) for model in self._connection.models or ())
