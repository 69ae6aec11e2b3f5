"""One connection at work: its backend, what it lists, and how it is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from ..backends.base import Opened, Request
from ..backends.http import Found, HttpBackend
from ..errors import BagoError, UpstreamFailed
from ..router import Offer
from ..router.shape import Dialect
from . import listing
from .connection import Connection
from .health import AGAIN, Change, State
from .listing import KeyRefused, Warming
from .slots import Queue, Slots, Source
from .traffic import Traffic
from .trial import Trial

log = logging.getLogger("bago.connections")

SAMPLE = 2.0
"""Seconds after which it is looked how many requests run there side by side, while some do."""
LISTED = 300.0
"""Seconds after which models are listed anew, whatever was answered since."""


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

    async def look(self, timeout: float) -> float | None:
        """List its models anew; the latency in seconds, if it was measured. Raises :class:`BagoError`."""
        ...

    @property
    def trouble(self) -> str | None:
        """What there is to say although it is well."""
        ...

    async def queue(self) -> Queue | None:
        """What the server tells of its queue, ``None`` where that is nothing."""
        ...

    def pause(self) -> float | None:
        """Seconds until it is worth another look, ``None`` for the usual ones."""
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
        traffic: Traffic,
        told: Callable[[Connected, bool], None],
    ):
        self.connection = connection
        self.kind = connection.type
        self.id = f"{connection.type}:{connection.name}"
        self.node = connection.name
        self.source = source
        """Where its key comes from."""
        self.state = State()
        self.slots = Slots()
        """What was learnt of how many requests run there side by side."""
        self.trial: Trial | None = None
        """The latest that went hop by hop."""
        self.way = way
        self._told = told
        self._traffic = traffic
        self._answered = 0
        """Requests that it had answered at the latest look."""
        self._soon: asyncio.TimerHandle | None = None
        """Until it is looked at because a request failed."""
        self._looked = self._listed = 0.0
        """When it was looked at, and when that or a request showed that it is well."""
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
            self.slots = Slots()
        self.way, self.source = way, source
        if isinstance(way, HttpBackend):
            way.refused = self.look_now

    def start(self) -> None:
        """Begin to follow it."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Follow it no longer; what runs there may end."""
        if self._soon is not None:
            self._soon.cancel()
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

    def heard(self, failure: str | None) -> None:
        """A request failed here by its fault, or was answered again."""
        now = time.monotonic()
        if failure is None:
            change = self.state.served(now)
        else:
            if self._soon is None:
                wait = max(0.0, self._looked + AGAIN - now)
                self._soon = asyncio.get_running_loop().call_later(wait, self.look_now)
            change = None if self.connection.kind.cluster else self.state.let_down(now, failure)
        if change is not None:
            self._log(change)
            asyncio.get_running_loop().call_soon(self._told, self, True)  # the books are still open

    def look_now(self) -> None:
        """Probe at once."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
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
        before, trouble = (self.way.found, self.way.native, self.side_by_side), self.way.trouble
        now = time.monotonic
        self._looked, self._answered = now(), self._traffic.answered
        try:
            latency = await self.way.look(listing.TIMEOUT)
        except KeyRefused as error:
            change = self.state.failed(now(), error.message, certain=True, lasting=True)
        except Warming as error:
            change = self.state.warming(now(), error.message)
        except BagoError as error:
            refused = error.cause == "refused"
            reason = "it refused the connection" if refused else error.message.rstrip(".")
            if self.state.there and listing.absent(error):
                busy = self._traffic.in_flight and not refused
                change = self.state.away(now(), reason, certain=certain or not busy)
            else:
                change = self.state.failed(now(), reason, certain=certain or not self.offered)
        else:
            self._listed = now()
            change = self.state.ok(now(), latency, but=self.way.trouble)
            if change is not None:
                self.slots = Slots()
            if change is not None or self.state.lets_down:
                self._traffic.relent()
            await self._count_slots()
        if self.way.trouble and self.way.trouble != trouble:
            log.warning("connection %s goes on with what is known of it: %s", self.node, self.way.trouble)
        self._log(change)
        self._told(self, change is not None or before != (self.way.found, self.way.native, self.side_by_side))

    # -- as a backend

    @property
    def side_by_side(self) -> tuple[int, Source]:
        """How many requests from here run there at once, and who says so."""
        if self.connection.slots is not None:
            return self.connection.slots, "set"
        return self.slots.count, self.slots.source

    @property
    def offered(self) -> list[Offer]:
        """What it offers, switched off or not."""
        wanted = self.connection.models
        offers = {offer.model: offer for offer in self.way.offers()}
        return [offer for model, offer in offers.items() if wanted is None or model in wanted]

    def offers(self) -> Iterable[Offer]:
        connection, state = self.connection, self.state
        health, reason = state.state, state.reason
        if state.lets_down:  # each further request is a trial, which the breakers space out
            health = "unknown"
        if not connection.in_routing:
            health, reason = "disabled", "taken out of routing by its settings"
        slots, _ = self.side_by_side
        for offer in self.offered:
            own = offer.health == "unhealthy" and health in ("healthy", "unknown")  # one service of a cluster
            yield msgspec.structs.replace(
                offer,
                backend=self.id,
                node=self.node,
                health=offer.health if own else health,
                reason=offer.reason if own else reason,
                shared=connection.share,
                slots=slots,
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
            await self._until_due()

    async def _until_due(self) -> None:
        """Wait until it should be looked at. Answers to requests spare it that for a while."""
        begin = time.monotonic()
        while True:
            pause = self.way.pause()
            wait = (self.state.interval if pause is None else pause) if self.connection.enabled else None
            left = None if wait is None else begin + wait - time.monotonic()
            try:
                # wait_for of Python 3.11 may swallow a cancellation
                async with asyncio.timeout(None if left is None else min(left, SAMPLE)):
                    await self._wake.wait()
                return
            except TimeoutError:
                now = time.monotonic()
                if wait is not None and now < begin + wait:
                    if self._traffic.in_flight > 1 and await self._count_slots():
                        self._told(self, True)
                elif pause is None and self._proved(now):
                    begin = now
                else:
                    return

    def _proved(self, now: float) -> bool:
        """Whether answers to requests since the latest look show that it is well."""
        answered = self._traffic.answered
        if self.state.state != "healthy" or answered == self._answered or now - self._listed >= LISTED:
            return False
        self._answered = answered
        self.state.ok(now, None)
        return True

    async def _count_slots(self) -> bool:
        """Learn how many requests run there at once, where nobody has set that. Whether that is another."""
        if self.connection.slots is not None:
            return False
        before = self.side_by_side
        try:
            queue = await self.way.queue()
        except BagoError:
            queue = None
        if queue is not None:
            self.slots.saw(time.monotonic(), queue, self._traffic.in_flight)
        else:
            self.slots.timed(time.monotonic(), self._traffic.first_bytes())
        return before != self.side_by_side

    def _log(self, change: Change | None) -> None:
        if change is not None:
            level = logging.WARNING if change.state == "unhealthy" else logging.INFO
            log.log(level, "connection %s is %s: %s", self.node, change.state, change.reason)
