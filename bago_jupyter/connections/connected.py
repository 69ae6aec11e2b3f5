"""One connection at work: its backend, what it lists, and how it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from ..backends.base import Opened, Request
from ..backends.dialects import able
from ..backends.http import Found, HttpBackend
from ..errors import BagoError, UpstreamFailed
from ..router import Offer
from ..router.shape import Dialect
from . import listing
from .connection import Connection
from .health import Change, State
from .listing import KeyRefused, Warming
from .trial import Trial

log = logging.getLogger("bago.connections")


class Way(Protocol):
    """How one server is asked: a :class:`~.plain.PlainWay` or a :class:`~.clustered.ClusterWay`."""

    @property
    def native(self) -> frozenset[Dialect] | None:
        """What is known that it speaks."""
        ...

    @property
    def found(self) -> tuple[Found, ...]:
        """The models that it listed last."""
        ...

    def offers(self) -> Iterable[Offer]: ...

    async def open(self, request: Request, offer: Offer) -> Opened: ...

    async def look(self, timeout: float) -> float:
        """List its models anew; the latency in seconds. Raises :class:`BagoError`."""
        ...

    async def try_out(self, timeout: float) -> Trial:
        """Go there hop by hop, and take over what that shows."""
        ...

    def retire(self) -> None: ...

    async def close(self) -> None: ...


class Connected:
    """A connection as a backend of the router, and the one who follows it. Belongs to the node's loop.

    ``told`` is called after every probe and every change; ``True`` where what it offers or how it is changed,
    not its latency alone.
    """

    def __init__(
        self,
        connection: Connection,
        way: Way,
        source: str,
        told: Callable[[Connected, bool], None],
    ):
        self.connection = connection
        self.kind = connection.type
        self.id = f"{connection.type}:{connection.name}"
        self.node = connection.name
        self.source = source
        """Where its key comes from."""
        self.state = State()
        self.trial: Trial | None = None
        """The latest that went hop by hop."""
        self.way = way
        self._told = told
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.lead(way, source)
        if not connection.enabled:
            self.state.disabled(time.monotonic())

    def lead(self, way: Way, source: str) -> None:
        """Go there by ``way`` from now on; what runs on the old one may end there."""
        if way is not self.way:
            self.way.retire()
            self.state.anew(time.monotonic(), "its settings changed")
        self.way, self.source = way, source
        if isinstance(way, HttpBackend):
            way.refused = self.look_now

    def start(self) -> None:
        """Begin to follow it."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Follow it no longer; what runs there may end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.way.retire()

    def update(self, connection: Connection) -> None:
        """Take over changed settings."""
        before, self.connection = self.connection, connection
        if before.enabled != connection.enabled:
            now = time.monotonic()
            self._log(self.state.anew(now, "switched on") if connection.enabled else self.state.disabled(now))
            self.look_now()
        self._told(self, True)

    def look_now(self) -> None:
        """Probe at once."""
        self._wake.set()

    async def try_out(self) -> Trial:
        """Go there hop by hop, now."""
        trial = self.trial = await self.way.try_out(listing.TIMEOUT)
        if self.connection.enabled:
            if trial.failed is None and trial.seen is not None:
                self._log(self.state.ok(time.monotonic(), trial.seen.latency, sure=True))
            else:
                await self.probe(certain=True)
        self._told(self, True)
        return trial

    async def probe(self, *, certain: bool = False) -> None:
        """Look once how it is, and what it lists; ``certain`` where another look failed a moment ago."""
        before = self.way.found, self.way.native
        now = time.monotonic
        try:
            latency = await self.way.look(listing.TIMEOUT)
        except KeyRefused as error:
            change = self.state.failed(now(), error.message, certain=True)
        except Warming as error:
            change = self.state.warming(now(), error.message)
        except BagoError as error:
            refused = error.cause == "refused"
            reason = "it refused the connection" if refused else error.message.rstrip(".")
            change = self.state.failed(now(), reason, certain=certain)
        else:
            change = self.state.ok(now(), latency)
        self._log(change)
        self._told(self, change is not None or before != (self.way.found, self.way.native))

    # -- as a backend

    @property
    def offered(self) -> list[Offer]:
        """What it offers, switched off or not."""
        wanted = self.connection.models
        offers = {offer.model: offer for offer in self.way.offers()}
        return [offer for model, offer in offers.items() if wanted is None or model in wanted]

    def offers(self) -> Iterable[Offer]:
        connection, state = self.connection, self.state
        health, reason = state.state, state.reason
        if not connection.in_routing:
            health, reason = "disabled", "taken out of routing by its settings"
        for offer in self.offered:
            own = offer.health == "unhealthy" and health in ("healthy", "unknown")  # one service of a cluster
            yield msgspec.structs.replace(
                offer,
                backend=self.id,
                node=self.node,
                health=offer.health if own else health,
                reason=offer.reason if own else reason,
                tasks=able(offer),
                shared=connection.share,
                slots=connection.slots,
                priority=connection.priority,
                weight=connection.weight,
            )

    async def open(self, request: Request, offer: Offer) -> Opened:
        return await self.way.open(request, offer)

    async def close(self) -> None:
        await self.way.close()

    # -- inside

    async def _follow(self) -> None:
        while True:
            self._wake.clear()
            if self.connection.enabled:
                try:
                    await self.probe()
                except Exception as error:
                    log.exception("probing %s", self.node)
                    failure = UpstreamFailed(f"probing it failed ({type(error).__name__})")
                    self._log(self.state.failed(time.monotonic(), failure.message))
                    self._told(self, True)
            wait = self.state.interval if self.connection.enabled else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):  # wait_for of Python 3.11 may swallow a cancellation
                    await self._wake.wait()

    def _log(self, change: Change | None) -> None:
        if change is not None:
            level = logging.WARNING if change.state == "unhealthy" else logging.INFO
            log.log(level, "connection %s is %s: %s", self.node, change.state, change.reason)
