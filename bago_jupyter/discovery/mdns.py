"""Announcing this node on the local networks, and listening for the others (mDNS, RFC 6762 and 6763)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import msgspec
from zeroconf import Error as ZeroconfError
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

from ..errors import SettingsError
from ..text import clean
from . import sockets
from .addresses import Address, local, rank
from .hearing import Ear, Gate
from .record import SERVICE, Announcement, encode
from .registry import STALE, Change, Discovered, Registry

log = logging.getLogger("bago.discovery")

ANNOUNCED = 16
"""Addresses that an announcement carries."""
ECHO = 3.0
"""Seconds within which the own announcement comes back from the multicast group."""
JUMP = 10.0
"""Seconds that the wall clock may gain on the monotonic one before this is taken for sleep."""

NEEDS_NAME = "A node needs a name before it can advertise itself: set name, or BAGO_NAME in the environment."
NO_PORT = (
    "Discovery is off, since UDP port 5353 cannot be used ({}). Let the other mDNS program on this machine"
    " share the port (avahi: disallow-other-stacks=no), or connect nodes by key."
)
NO_NETWORK = (
    "This machine has no network that carries multicast: only nodes on this machine can be discovered."
)
NO_ECHO = (
    "Announcements do not come back from the network: a firewall on this machine seems to block UDP port"
    " 5353. Allow it in both directions (ufw allow 5353/udp), or connect nodes by key."
)


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Rhythm of discovery, in seconds."""

    announce: float = 25.0
    stale: float = STALE
    sweep: float = 30.0
    watch: float = 2.0
    """Between two looks at the network interfaces."""


class Discovery:
    """mDNS of one node. Belongs to the loop that starts it; nothing in it blocks.

    ``on_change`` is called on that loop for every node that comes, changes or goes, and ``on_notice`` with
    what the owner should know. Every method may be called at any time, in any order.
    """

    def __init__(
        self,
        fingerprint: str,
        on_change: Callable[[Change], None] | None = None,
        *,
        on_notice: Callable[[str], None] | None = None,
        times: Times | None = None,
    ):
        self.fingerprint = fingerprint
        self.times = times or Times()
        self.registry = Registry(fingerprint, stale=self.times.stale)
        self.notice: str | None = None
        """Why discovery does not work in full at present, as a sentence; ``None`` when it does."""
        self.mine: tuple[Address, ...] = ()
        """This host's addresses, ranked."""
        self._on_change, self._on_notice = on_change, on_notice
        self._announcement: Announcement | None = None
        self._info: ServiceInfo | None = None
        self._plan: sockets.Plan = ()
        self._zc: AsyncZeroconf | None = None
        self._ear: Ear | None = None
        self._rejected = 0
        self._browser: AsyncServiceBrowser | None = None
        self._browsing = self._started = False
        self._lock = asyncio.Lock()
        self._ticker: asyncio.Task[None] | None = None
        self._repeats: asyncio.Future[None] | None = None
        self._announced_at = self._published_at = self._swept_at = 0.0
        self._wall = 0.0

    @property
    def advertising(self) -> bool:
        """Whether this node announces itself, or would if the network let it."""
        return self._announcement is not None

    @property
    def rejected(self) -> int:
        """Announcements since the start that could not be read."""
        return self._rejected + (self._ear.rejected if self._ear else 0)

    def nodes(self) -> list[Discovered]:
        """The other nodes that announce themselves, by name; addresses in the order to try them."""
        return [self._ranked(node) for node in self.registry.nodes(time.monotonic())]

    def get(self, fingerprint: str) -> Discovered | None:
        """One node of :meth:`nodes`."""
        node = self.registry.get(time.monotonic(), fingerprint)
        return None if node is None else self._ranked(node)

    async def start(self, browse: bool = True) -> None:
        """Open the sockets. Where that is impossible, :attr:`notice` says so and it is tried again."""
        async with self._lock:
            if self._started:
                return
            self._started, self._browsing = True, browse
            self._swept_at = time.monotonic()
            await self._look()
            self._ticker = asyncio.ensure_future(self._tick())

    async def browse(self, on: bool) -> None:
        """Listen for other nodes, or stop listening and forget them."""
        async with self._lock:
            self._browsing = on
            await self._ask_around()
            if not on:
                self._emit(self.registry.clear(time.monotonic(), "discovery was switched off"))

    async def advertise(self, announcement: Announcement) -> None:
        """Announce ``announcement``, now and from now on; or announce at once what changed in it.

        Raises :class:`SettingsError` where the node has no name.
        """
        if not clean(announcement.name or "", 63):
            raise SettingsError(NEEDS_NAME, param="name")
        encode(announcement)
        async with self._lock:
            if announcement != self._announcement:
                self._announcement = announcement
                await self._publish()

    async def withdraw(self) -> None:
        """Say goodbye and announce no more. Takes 0.25 s, for the copies of the goodbye."""
        async with self._lock:
            self._announcement = None
            await self._say_goodbye()

    async def stop(self) -> None:
        """Say goodbye and close the sockets, within 0.5 s."""
        async with self._lock:
            self._started = False
            ticker, self._ticker = self._ticker, None
            if ticker is not None:
                ticker.cancel()
                await asyncio.wait([ticker])
            await self._say_goodbye()
            zc, self._zc = self._zc, None
            if zc is not None:
                await sockets.close(zc)
            if self._ear is not None:
                self._rejected, self._ear = self._rejected + self._ear.rejected, None
            self._browser = None
            self.registry.clear(time.monotonic(), "discovery stopped")

    # -- sockets

    async def _look(self, *, anew: bool = False) -> None:
        """Follow the interfaces: open the sockets anew when they changed."""
        mine = local()
        plan = sockets.plan(mine, self._plan)
        moved, self.mine = mine != self.mine, mine
        if self._ear is not None:
            self._ear.mine = mine
        if anew or plan != self._plan or self._zc is None:
            await self._open(plan)
        elif moved:
            await self._publish()

    async def _open(self, plan: sockets.Plan) -> None:
        try:
            zc = sockets.open_all(plan)
            gate = Gate(zc.zeroconf)
            zc.zeroconf.record_manager = gate
            await zc.zeroconf.async_wait_for_start()
        except (OSError, RuntimeError, ZeroconfError) as error:
            self._notify(NO_PORT.format(getattr(error, "strerror", None) or error or type(error).__name__))
            return
        ear = Ear(self.registry, gate, self._emit)
        ear.mine, ear.listening = self.mine, self._browsing
        old, old_ear = self._zc, self._ear
        self._zc, self._ear, self._plan, self._info = zc, ear, plan, None
        if old_ear is not None:
            self._rejected += old_ear.rejected
        self.registry.heard_self = None
        gate.async_add_listener(ear, None)
        if old is not None:
            sockets.inherit(zc.zeroconf, old.zeroconf)
            self._cancel_repeats()
            # Not a goodbye: the node stays, only its sockets are replaced.
            old.zeroconf.registry.async_remove(old.zeroconf.registry.async_get_service_infos())
            await sockets.close(old)
        lone = not plan or all(address.kind == "loopback" for address in self.mine)
        self._notify(NO_NETWORK if lone else None)
        await self._publish()
        await self._ask_around()

    async def _ask_around(self) -> None:
        """Have the browser's queries sent, which every node of the network answers."""
        browser, self._browser = self._browser, None
        if browser is not None:
            await browser.async_cancel()
        if self._ear is not None:
            self._ear.listening = self._browsing
        if self._browsing and self._zc is not None:
            self._browser = AsyncServiceBrowser(self._zc.zeroconf, SERVICE, handlers=[_ignore])

    # -- announcing

    async def _publish(self) -> None:
        if self._announcement is None or self._zc is None:
            return
        zc, old, new = self._zc.zeroconf, self._info, self._make_info(self._announcement)
        self._cancel_repeats()
        self._info = new
        repeats: Awaitable[None]
        if old is not None and old.name == new.name:
            repeats = await zc.async_update_service(new)
        else:
            # No probing: the name carries digits of the fingerprint, so nobody else has it.
            repeats = await zc.async_register_service(new, cooperating_responders=True)
        self._repeats = asyncio.ensure_future(repeats)
        now = time.monotonic()
        self._announced_at, self._published_at = now, now
        if old is not None and old.name != new.name:
            await (await zc.async_unregister_service(old))

    def _make_info(self, announcement: Announcement) -> ServiceInfo:
        return ServiceInfo(
            SERVICE,
            f"{announcement.instance}.{SERVICE}",
            port=announcement.port,
            properties=encode(announcement),
            server=f"bago-{announcement.fingerprint[3:19]}.local.",
            parsed_addresses=list(dict.fromkeys(address.bare for address in self.mine))[:ANNOUNCED],
        )

    async def _say_goodbye(self) -> None:
        info, self._info = self._info, None
        self._cancel_repeats()
        if info is not None and self._zc is not None:
            await (await self._zc.zeroconf.async_unregister_service(info))

    def _cancel_repeats(self) -> None:
        if self._repeats is not None:
            self._repeats.cancel()
            self._repeats = None

    # -- time

    async def _tick(self) -> None:
        self._wall = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(self.times.watch)
            try:
                await self._turn(time.monotonic())
            except Exception:
                log.exception("Discovery stumbled and goes on")

    async def _turn(self, now: float) -> None:
        if now - self._swept_at >= self.times.sweep:
            self._swept_at = now
            self._emit(self.registry.sweep(now))
        wall = time.time() - now
        slept, self._wall = wall - self._wall > JUMP, wall
        async with self._lock:
            await self._look(anew=slept)
            if self._zc is None:
                return
            if now - self._announced_at >= self.times.announce - self.times.watch / 2:
                self._announced_at = now
                if self._info is not None:
                    self._zc.zeroconf.async_send(
                        self._zc.zeroconf.generate_service_broadcast(self._info, None)
                    )
                self._ask_the_silent(now)
            self._check_echo(now)

    def _check_echo(self, now: float) -> None:
        if self._info is None or self.notice == NO_NETWORK or now - self._published_at < ECHO:
            return
        heard = self.registry.heard_self
        deaf = heard is None or now - heard > 2 * self.times.announce + ECHO
        self._notify(NO_ECHO if deaf else None)

    def _ask_the_silent(self, now: float) -> None:
        """A node that does not announce itself by the clock, but answers, is there too."""
        if self._ear is None or not self._browsing:
            return
        for node in self.registry.nodes(now):
            if now - node.last_seen > self.times.stale / 2:
                self._ear.ask(node.instance)

    # -- telling

    def _emit(self, changes: list[Change]) -> None:
        for change in changes:
            log.info("%s %s: %s", change.node.announcement.name, change.kind, change.reason)
            if self._on_change is not None:
                try:
                    self._on_change(msgspec.structs.replace(change, node=self._ranked(change.node)))
                except Exception:
                    log.exception("A listener to discovery failed")

    def _notify(self, notice: str | None) -> None:
        if notice != self.notice:
            self.notice = notice
            if notice is not None:
                log.warning("%s", notice)
                if self._on_notice is not None:
                    self._on_notice(notice)

    def _ranked(self, node: Discovered) -> Discovered:
        return msgspec.structs.replace(node, addresses=rank(node.addresses, self.mine))


def _ignore(**_: object) -> None:
    """The browser is there for its queries; :class:`Ear` hears the answers."""
