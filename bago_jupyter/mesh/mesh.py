"""The node among others: pairing, discovery, links to its peers, and what it shares with them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from .._version import __version__
from ..backends import Dispatcher
from ..discovery import Announcement, Change, Discovered, local, recent
from ..discovery.presence import Transition
from ..errors import BagoError, InvalidRequest, NotFound
from ..events import Bus, NodesChanged
from ..identity import Identity
from ..settings import Settings
from ..state import Home
from ..trust import address, messages
from ..trust.approval import Approvals
from ..trust.connection_key import ConnectionKey
from ..trust.issued import IssuedKeys
from ..trust.messages import KeyAnswer
from ..trust.pairing import KeyPairing, KeyResponder, card_of
from ..trust.peers import Change as PeerChange
from ..trust.peers import Peer, Peers
from ..trust.tls import Tls
from ..wire import Resources
from .asking import Askings
from .calls import post, post_anywhere
from .link import Link
from .naming import Naming
from .sharing import Sharing
from .team import Team
from .wire import Bye, Entry, Hello, News

if TYPE_CHECKING:
    from ..discovery.mdns import Discovery

log = logging.getLogger("bago.mesh")

FAREWELL = 0.4
"""Seconds within which every peer is told that this node leaves."""


class Mesh:
    """The mesh side of one node. Belongs to the node's loop.

    ``describe`` gives what is announced, ``expose`` makes the node's port reachable from the network, and
    ``resources`` tells at once how busy the machine is.
    """

    def __init__(
        self,
        settings: Settings,
        home: Home,
        identity: Identity,
        dispatcher: Dispatcher,
        bus: Bus,
        *,
        describe: Callable[[], Announcement],
        sharing: Sharing,
        expose: Callable[[], Awaitable[None]],
        resources: Callable[[], Resources | None] = lambda: None,
    ):
        self.settings = settings
        self.identity = identity
        self.boot = secrets.token_hex(8)
        self.peers = Peers(home)
        self.tls = Tls(identity, self.peers)
        self.issued = IssuedKeys(home, identity.fingerprint)
        self.sharing = sharing
        self.key_responder = KeyResponder(identity, self.issued, self.peers, self.card)
        self.approvals = Approvals(identity, self.peers, self.card, self._nodes_changed)
        self.askings = Askings(identity, self.peers, self.tls, self.card, self._nodes_changed)
        self.team = Team(home, identity, self.peers, self.tls, self.card)
        self.links: dict[str, Link] = {}
        self.naming = Naming(dispatcher, self.links)
        self.draining = False
        """Whether nothing is offered to peers, and no new request of theirs is taken."""
        self.discovery: Discovery | None = None
        self.cut_off: Callable[[str], None] = lambda fingerprint: None
        """Closes every connection that came in from a fingerprint; the server sets it."""
        self.news = asyncio.Condition()
        """Notified when what this node shares has changed."""
        self._dispatcher = dispatcher
        self._bus = bus
        self._describe = describe
        self._expose = expose
        self._resources = resources
        self._shared: list[Entry] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # -- life

    async def start(self) -> None:
        """Follow the peers; advertise and join the team where the settings say so."""
        await self.team.start(self.settings.cluster_key)
        self.peers.listen(self._peer_changed)
        self._background(self.peers.write_late())
        for peer in self.peers:
            self._follow(peer)
        self.naming.renew()
        if len(self.peers) or self.settings.advertise or self.settings.external or self.team.active:
            await self._expose()
        if self.settings.advertise or self.team.active or len(self.peers):
            await self.discover()
        if self.settings.advertise and self.discovery is not None:
            await self.discovery.advertise(self._describe())

    async def stop(self) -> None:
        """Tell every peer, say goodbye on the network, and end."""
        await self._tell_all(Bye(kind="leaving", reason="it was shut down"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(
            *(link.stop() for link in self.links.values()),
            *([self.discovery.stop()] if self.discovery is not None else []),
            return_exceptions=True,
        )
        with contextlib.suppress(BagoError):
            self.peers.write()

    async def discover(self) -> list[Discovered]:
        """The nodes that announce themselves; listening begins with the first call."""
        if self.discovery is None and self.settings.discovery:
            from ..discovery.mdns import Discovery

            self.discovery = Discovery(
                self.identity.fingerprint, self._discovered, on_notice=lambda text: log.warning("%s", text)
            )
            await self.discovery.start()
        return self.discovery.nodes() if self.discovery is not None else []

    async def configure(self, settings: Settings) -> None:
        """Take over changed settings of discovery, team and name, live."""
        before, self.settings = self.settings, settings
        self.naming.renew()
        if settings.cluster_key != before.cluster_key:
            if before.cluster_key is not None:
                await self._leave_team()
            await self.team.start(settings.cluster_key)
        if before.discovery and not settings.discovery:
            await self._tell_all(Bye(kind="leaving", reason="it switched discovery off"), via="team")
            if self.discovery is not None:
                await self.discovery.stop()
                self.discovery = None
        if settings.advertise or self.team.active:
            await self._expose()
            await self.discover()
        if self.discovery is not None:
            if settings.advertise:
                await self.discovery.advertise(self._describe())
            elif self.discovery.advertising:
                await self.discovery.withdraw()
        for node in await self.discover() if self.team.active else []:
            self._greet(node)
        await self._announce()

    async def refresh(self) -> None:
        """What this node offers may have changed: tell the peers and the network."""
        self.naming.renew()
        shared = self.entries()
        if shared != self._shared:
            self._shared = shared
            await self._announce()
        if self.discovery is not None and self.discovery.advertising:
            await self.discovery.advertise(self._describe())

    # -- what others are told

    def card(self) -> bytes:
        """How this node presents itself while it pairs."""
        name = self._describe().name
        return card_of(self.identity, name, self.addresses(), self._describe().port, __version__)

    def addresses(self, interface: str | None = None) -> list[str]:
        """``host:port`` texts at which others reach this node, best first.

        Link-local addresses are left out: their zone means nothing elsewhere.
        """
        port = self._describe().port
        mine = [entry for entry in recent() if interface in (None, entry.interface)]
        return address.only_good([address.join(entry.text, port) for entry in mine if "%" not in entry.text])

    def hello(self, *, probed: bool = False) -> Hello:
        """Who answers here; the answer to a probe also says how busy the machine is."""
        said = self._describe()
        return Hello(
            fingerprint=self.identity.fingerprint,
            name=said.name,
            version=__version__,
            boot=self.boot,
            port=said.port,
            addresses=self.addresses(),
            resources=self._resources() if probed else None,
        )

    def entries(self) -> list[Entry]:
        """The models of this node that are shared: its own, and those of connections that it may lend."""
        if self.draining:
            return []
        return self.sharing.told(
            offer
            for offer in self._dispatcher.table.offers
            if offer.shared and not offer.peer and offer.health in ("healthy", "unknown")
        )

    def latest(self) -> News:
        """The whole catalogue as peers get it."""
        return News(hello=self.hello(), catalogue=self.entries())

    # -- pairing

    async def make_key(
        self, *, ttl: float | None = None, name: str | None = None, interface: str | None = None
    ) -> ConnectionKey:
        """A new connection key for one other node. Raises :class:`BagoError`."""
        await self._expose()
        options = {} if ttl is None else {"ttl": ttl}
        addresses = self.addresses(interface)
        if interface is not None and not addresses:
            known = ", ".join(sorted({entry.interface for entry in local()}))
            raise InvalidRequest(f"There is no address on an interface {interface!r}; there are: {known}.")
        return self.issued.issue(name or self._describe().name, addresses, interface=interface, **options)

    async def connect(self, text: str) -> Peer:
        """Pair by a connection key. Raises :class:`BagoError` with what is wrong with it."""
        key = ConnectionKey.parse(text)
        await self._expose()
        pairing = KeyPairing(self.identity, key, self.card())
        tls = self.tls.stranger(key.fingerprint)
        body = messages.write(pairing.request)
        answer = await post_anywhere(key.addresses, tls, "/mesh/v1/pair", body)
        return pairing.finish(messages.read(answer, KeyAnswer), self.peers)

    async def ask(self, fingerprint: str) -> str:
        """Ask a discovered node for a connection; the match code that both sides show."""
        node = self.discovery.get(fingerprint) if self.discovery is not None else None
        if node is None:
            raise NotFound("That node is not in the list of discovered nodes.")
        await self._expose()
        return await self.askings.ask(node.announcement.name, fingerprint, reachable(node))

    async def remove(self, fingerprint: str) -> Peer:
        """Remove a peer: it is told, cut off and no longer trusted."""
        peer = self.peers.get(fingerprint)
        if peer is None:
            raise NotFound("No paired node has that fingerprint; list the nodes to see them.")
        link = self.links.get(fingerprint)
        if link is not None:
            await self._tell(link, Bye(kind="removed", reason="it removed this node"))
        return self.peers.remove(fingerprint)

    def said_bye(self, peer: Peer, bye: Bye) -> None:
        """A peer leaves, or has removed this node."""
        link = self.links.get(peer.fingerprint)
        if link is not None:
            link.left(bye.reason or "said goodbye")
        if bye.kind == "removed":
            self.peers.remove(peer.fingerprint, bar=False)

    def heard(self, peer: Peer, host: str, port: int) -> None:
        """A peer that was believed away asks from ``host`` and listens at ``port``: look for it there."""
        link = self.links.get(peer.fingerprint)
        if link is None or link.presence.state == "online":
            return
        with contextlib.suppress(ValueError):
            self.peers.tell(peer.fingerprint, addresses=[address.join(host, port), *peer.addresses])
            link.look_now()

    def away_from(self, peer: Peer) -> bool:
        """Whether this node has left the team that ``peer`` is of, until its discovery is on again."""
        return peer.via == "team" and not self.settings.discovery

    # -- inside

    def _follow(self, peer: Peer) -> None:
        link = Link(
            peer,
            self.tls,
            discovered=lambda: self._addresses_of(peer.fingerprint),
            changed=self._link_changed,
            told=self._told,
            port=lambda: self._describe().port,
            measured=self._measured,
        )
        self.links[peer.fingerprint] = link
        self._dispatcher.add(link.backend)
        link.start()

    def _addresses_of(self, fingerprint: str) -> Iterable[str]:
        node = self.discovery.get(fingerprint) if self.discovery is not None else None
        return reachable(node) if node is not None else ()

    def _peer_changed(self, change: PeerChange, peer: Peer) -> None:
        link = self.links.get(peer.fingerprint)
        if change == "removed":
            self.cut_off(peer.fingerprint)
            if link is not None:
                del self.links[peer.fingerprint]
                self._dispatcher.remove(link.backend.id)
                self._background(link.stop())
        elif link is None:
            self._follow(peer)
        else:
            link.update(peer)
        self.naming.renew()
        self._dispatcher.refresh()
        self._nodes_changed()

    def _measured(self, link: Link, latency: float) -> None:
        self._dispatcher.latencies[link.backend.id] = latency

    def _link_changed(self, link: Link, transition: Transition | None) -> None:
        self._dispatcher.refresh()
        self._nodes_changed()

    def _told(self, link: Link, hello: Hello, at: str) -> None:
        with contextlib.suppress(BagoError):
            self.peers.saw(link.peer.fingerprint, at)
            self.peers.tell(
                link.peer.fingerprint,
                name=hello.name,
                addresses=list(hello.addresses) or None,
                port=hello.port,
            )

    def _discovered(self, change: Change) -> None:
        link = self.links.get(change.node.fingerprint)
        if link is not None:
            link.look_now()
        elif change.kind != "gone":
            self._greet(change.node)
        self._nodes_changed()

    def _greet(self, node: Discovered) -> None:
        if self.team.wants(node.fingerprint):
            self._background(self.team.join(node.fingerprint, reachable(node)))

    async def _leave_team(self) -> None:
        for peer in [peer for peer in self.peers if peer.via == "team"]:
            link = self.links.get(peer.fingerprint)
            if link is not None:
                await self._tell(link, Bye(kind="removed", reason="it left the team"))
        self.peers.leave_team()

    async def _announce(self) -> None:
        async with self.news:
            self.news.notify_all()

    async def _tell_all(self, bye: Bye, via: str | None = None) -> None:
        links = [
            link
            for link in self.links.values()
            if link.presence.state == "online" and via in (None, link.peer.via)
        ]
        await asyncio.gather(*(self._tell(link, bye) for link in links))

    async def _tell(self, link: Link, bye: Bye) -> None:
        with contextlib.suppress(BagoError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                if link.backend.pool is None:
                    await link.probe()  # paired a moment ago
                if (pool := link.backend.pool) is not None:
                    head = f"authorization: Bearer {link.backend.token.reveal()}\r\n".encode()
                    await post(pool, "/mesh/v1/bye", msgspec.json.encode(bye), head)

    def _nodes_changed(self) -> None:
        if self._bus.watched:
            self._bus.publish(NodesChanged(at=time.time()))

    def _background(self, work: Awaitable[None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def reachable(node: Discovered) -> Sequence[str]:
    """``host:port`` texts of a discovered node, in the order to try them."""
    port = node.announcement.port
    return [address.join(text, port) for text in node.addresses]


async def _quietly(work: Awaitable[None]) -> None:
    try:
        await work
    except BagoError as error:
        log.info("%s", error.message)
    except Exception:
        log.exception("in the background")
