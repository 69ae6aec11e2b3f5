"""The nodes that this one is paired with.

``peers.json`` (0600) holds for each the certificate that TLS trusts, the token that we present there, and
only the SHA-256 of the tokens that we accept from it. Tokens are 256 random bits, so a plain hash is
enough; and a token counts only on a connection whose certificate is the one that it was minted for.

The last two minted tokens are accepted. Two pairings of the same two nodes that cross (each typed the
other's key, or both joined the team on sight) can end with each side holding the token of another run;
with one token alone such a pair would refuse each other for good.

Who is paired, and by what, is written before it counts. What peers say of themselves may change as often
as they like: it counts at once, and is written late, in a thread (:meth:`Peers.write_late`).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from ..errors import NotFound, SettingsError, StateError
from ..state import Home
from . import address, certificate, names
from .refusal import Refused
from .secret import Secret

log = logging.getLogger("bago.trust")

FILE = "peers.json"
LATE = 5.0
"""Seconds between two times that what peers say of themselves is written, at least."""
ACCEPTED = 2
"""Tokens of one peer that are valid at a time."""
SEEN = 8
"""Addresses remembered from which a peer was seen."""

Via = Literal["key", "approval", "team"]
Change = Literal["added", "updated", "removed"]

_NOBODY = "0" * 64


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A paired node. ``repr`` and ``str`` show no token."""

    fingerprint: str
    name: str
    certificate: str
    """PEM."""
    addresses: list[str] = []
    """``host:port`` texts, as the peer told them, best first."""
    port: int = 0
    """Port that the peer listens on."""
    paired_at: float = 0.0
    via: Via = "key"
    token: Secret
    """What we present to the peer."""
    accepts: list[str] = []
    """SHA-256 (hex) of the tokens that the peer may present to us, the newest first."""

    priority: int = 0
    """Lower is tried first by the policy ``priority``."""
    weight: float = 1.0
    max_load_percent: int = 100
    """Share of its capacity up to which we send requests there."""
    in_routing: bool = True
    allow_control: bool = False
    """Whether it may load, unload and pull models here."""

    seen_at: list[str] = []
    """``host:port`` texts at which it was reached, the latest first."""

    @property
    def short(self) -> str:
        """The first 8 digits of the fingerprint, for people."""
        return self.fingerprint[3:11]

    def __repr__(self) -> str:
        return f"Peer({self.name!r}, {self.short}, via {self.via})"


SETTABLE = frozenset({"priority", "weight", "max_load_percent", "in_routing", "allow_control"})
"""What :meth:`Peers.set` takes: the owner's settings of a peer."""

_RANGES = {"priority": (-1000, 1000), "weight": (0.0, 1000.0), "max_load_percent": (1, 100)}


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    peers: list[Peer]
    barred: list[str]
    forgot: bool = False
    """Whether it was lost who is barred: then a team key brings nobody until it is set anew."""


class Peers:
    """The store. Belongs to the node's loop."""

    def __init__(self, home: Home):
        self._home = home
        self._listeners: list[Callable[[Change, Peer], None]] = []
        self._writing = threading.Lock()
        self._learnt = asyncio.Event()
        """Set when there is something to write late."""
        self._changes = self._written = 0
        """What was learnt so far, and how much of it is written."""
        file = home.load(
            FILE,
            _read,
            blank=_encoder.encode(_File(peers=[], barred=[], forgot=True)),
            lost="nodes have to be paired again, by team key only after it is set anew, since nothing tells "
            "any more which were removed",
        )
        file = file or _File(peers=[], barred=[])
        self._peers = {peer.fingerprint: peer for peer in file.peers}
        self._barred = frozenset(file.barred)
        self._forgot = file.forgot

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, fingerprint: str) -> Peer | None:
        """The peer with ``fingerprint``."""
        return self._peers.get(fingerprint)

    def verify(self, fingerprint: str | None, token: str | None) -> Peer | None:
        """The peer whose TLS certificate and token these are, or ``None``. Takes constant time."""
        peer = self._peers.get(fingerprint or "")
        given = hash_token(token or "")
        known = peer.accepts if peer is not None else []
        hits = [hmac.compare_digest(given, hashed) for hashed in (*known, _NOBODY, _NOBODY)[:ACCEPTED]]
        return peer if any(hits) else None

    def admit(
        self,
        *,
        der: bytes,
        name: str,
        addresses: list[str],
        port: int,
        via: Via,
        token: Secret,
        expects: Secret,
        now: float | None = None,
    ) -> Peer:
        """Store a node whose certificate ``der`` was proven; ``expects`` is the token it will present.

        A known node keeps the owner's settings, and what a key or an approval founded does not become
        a team's affair. Raises :class:`~.certificate.BadCertificate`, and :class:`Refused` for a barred node
        that comes by team key.
        """
        fingerprint = certificate.check(der)
        if via == "team" and self.barred(fingerprint):
            raise Refused(
                "That node was removed by hand; only a new connection key or an approval brings it back."
            )
        old = self._peers.get(fingerprint)
        fields: dict[str, Any] = {
            "name": names.clean(name),
            "certificate": certificate.pem(der),
            "addresses": address.only_good(addresses),
            "port": port,
            "paired_at": time.time() if now is None else now,
            "via": old.via if old is not None and via == "team" else via,
            "token": token,
            "accepts": [hash_token(expects.reveal()), *(old.accepts if old else [])][:ACCEPTED],
        }
        if old is not None:
            peer = msgspec.structs.replace(old, **fields)
        else:
            peer = Peer(fingerprint=fingerprint, **fields)
        barred = self._barred if via == "team" else self._barred - {fingerprint}
        self._save({**self._peers, fingerprint: peer}, barred)
        self._tell("added" if old is None else "updated", peer)
        return peer

    def set(self, fingerprint: str, **changes: Any) -> Peer:
        """Change the owner's settings of a peer (:data:`SETTABLE`).

        Raises :class:`NotFound` and :class:`SettingsError`.
        """
        peer = self._need(fingerprint)
        for name, value in changes.items():
            if name not in SETTABLE:
                raise SettingsError(
                    f"A node has no setting {name}; known: {', '.join(sorted(SETTABLE))}.", param=name
                )
            _check_setting(name, value)
        peer = msgspec.structs.replace(peer, **changes)
        self._update(peer)
        return peer

    def tell(
        self,
        fingerprint: str,
        *,
        name: str | None = None,
        addresses: list[str] | None = None,
        port: int | None = None,
    ) -> Peer:
        """Take over what a peer tells about itself; it is written late. Raises :class:`NotFound`."""
        old = self._need(fingerprint)
        peer = msgspec.structs.replace(
            old,
            name=old.name if name is None else names.clean(name),
            addresses=old.addresses if addresses is None else address.only_good(addresses),
            port=old.port if port is None else port,
        )
        if peer != old:
            self._learn(peer)
        return peer

    def saw(self, fingerprint: str, at: str) -> None:
        """Remember that a peer was reached at ``host:port``; it is written late."""
        peer = self._need(fingerprint)
        if peer.seen_at[:1] != [at]:
            seen = address.only_good([at, *peer.seen_at])[:SEEN]
            self._learn(msgspec.structs.replace(peer, seen_at=seen))

    def remove(self, fingerprint: str, *, bar: bool = True) -> Peer:
        """Forget a peer: its certificate and tokens are worth nothing from now on.

        With ``bar``, as when its owner here removes it, the team key does not bring it back; only a
        new key or approval does. Raises :class:`NotFound`.
        """
        peer = self._need(fingerprint)
        others = {known: other for known, other in self._peers.items() if known != fingerprint}
        self._save(others, self._barred | {fingerprint} if bar else self._barred)
        self._tell("removed", peer)
        return peer

    def barred(self, fingerprint: str) -> bool:
        """Whether this node was, or may have been, removed here by hand: a team key does not suffice."""
        return self._forgot or fingerprint in self._barred

    def trust_team(self) -> None:
        """The owner sets the team key: it brings nodes also where it was lost who is barred."""
        if self._forgot:
            self._forgot = False
            try:
                self._save(self._peers, self._barred)
            except StateError:
                self._forgot = True
                raise

    def leave_team(self) -> list[Peer]:
        """Remove every peer that only the team key brought (the key was left or changed)."""
        return [self.remove(peer.fingerprint, bar=False) for peer in self if peer.via == "team"]

    def listen(self, listener: Callable[[Change, Peer], None]) -> Callable[[], None]:
        """Call ``listener`` after every change until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _need(self, fingerprint: str) -> Peer:
        peer = self._peers.get(fingerprint)
        if peer is None:
            raise NotFound("No paired node has that fingerprint; list the nodes to see them.")
        return peer

    async def write_late(self) -> None:
        """Write what peers say of themselves, now and then, until it is cancelled."""
        told = False
        while True:
            await self._learnt.wait()
            self._learnt.clear()
            try:
                await asyncio.to_thread(self.write)
                told = False
            except StateError as error:
                self._learnt.set()
                if not told:
                    log.warning("%s", error.message)
                told = True
            await asyncio.sleep(LATE)

    def write(self) -> None:
        """Write what is not written yet. Thread-safe. Raises :class:`StateError`."""
        with self._writing:
            changes = self._changes
            if changes != self._written:
                self._write(self._peers, self._barred)
                self._written = changes

    def _learn(self, peer: Peer) -> None:
        self._peers = {**self._peers, peer.fingerprint: peer}
        self._changes += 1
        self._learnt.set()
        self._tell("updated", peer)

    def _update(self, peer: Peer) -> None:
        self._save({**self._peers, peer.fingerprint: peer}, self._barred)
        self._tell("updated", peer)

    def _tell(self, change: Change, peer: Peer) -> None:
        for listener in list(self._listeners):
            listener(change, peer)

    def _save(self, peers: dict[str, Peer], barred: frozenset[str]) -> None:
        """Nothing changes where it cannot be written: what was removed would be back at the next start."""
        with self._writing:
            self._write(peers, barred)
            self._peers, self._barred, self._written = peers, barred, self._changes

    def _write(self, peers: dict[str, Peer], barred: frozenset[str]) -> None:
        file = _File(peers=list(peers.values()), barred=sorted(barred), forgot=self._forgot)
        self._home.write(FILE, _encoder.encode(file))


def hash_token(token: str) -> str:
    """What is stored of a token where it is checked."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _check_setting(name: str, value: Any) -> None:
    if name in _RANGES:
        low, high = _RANGES[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise SettingsError(f"{name} must be from {low} to {high}.", param=name)
        if isinstance(low, int) and not isinstance(value, int):
            raise SettingsError(f"{name} must be a whole number.", param=name)
    elif not isinstance(value, bool):
        raise SettingsError(f"{name} must be true or false.", param=name)


def _reveal(value: Any) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _wrap(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(kind.__name__)


def _read(data: bytes) -> _File:
    file = _decoder.decode(data)
    for peer in file.peers:
        if certificate.check(certificate.der_of(peer.certificate)) != peer.fingerprint:
            raise ValueError("a certificate of another node")
    return file


_encoder = msgspec.json.Encoder(enc_hook=_reveal)
_decoder = msgspec.json.Decoder(_File, dec_hook=_wrap)
