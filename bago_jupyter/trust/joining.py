"""Both sides of joining by team key; :mod:`.team` describes the protocol and what it withstands."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from ..errors import Overloaded
from ..identity import Identity
from . import certificate, messages
from .messages import Card, TeamChallenge, TeamHello, TeamProof, TeamWelcome, Token
from .peers import Peer, Peers
from .refusal import BadMessage, Refused
from .secret import Secret
from .team import WRONG, Exchange, TeamKey, team_transcript
from .throttle import Throttle
from .transcript import VERSION, Transcript

log = logging.getLogger("bago.trust")

RUNS = 16
"""Runs that a responder keeps open at a time, and for how many seconds."""
RUN_SECONDS = 30.0


class _Introduction(msgspec.Struct, kw_only=True, frozen=True):
    """What either side seals for the other."""

    card: messages.Packed
    token: Token
    signature: Annotated[bytes, Meta(min_length=8, max_length=80)]

    def __repr__(self) -> str:
        return "_Introduction(...)"


def team_throttle() -> Throttle:
    """The limits of one side: 3 failures free an address, then waits from 2 s to 15 minutes;
    all addresses together 300 in an hour."""
    return Throttle("attempts by team key", free=3, first=2.0, longest=900.0, forget=3600.0, budget=300)


def goes_first(own: str, other: str) -> bool:
    """Which of two nodes that see each other should start; the other one waits some seconds for it.

    Runs that cross do no harm, but cost.
    """
    return own < other


class TeamJoin:
    """The initiating side. Send :attr:`hello` by TLS pinned to ``fingerprint``, hand the answer to
    :meth:`proof`, send what it returns, hand that answer to :meth:`finish`. Making one and :meth:`proof` take
    about 5 and 8 ms of CPU. The caller keeps one :func:`team_throttle` over all joins: ``check`` before,
    ``failed`` when any step raises :class:`Refused` or the other side says so."""

    def __init__(self, identity: Identity, key: TeamKey, fingerprint: str, card: bytes):
        if fingerprint == identity.fingerprint:
            raise Refused("A node cannot join itself.")
        self._identity = identity
        self._fingerprint = fingerprint
        self._card = card
        self._expects = Secret.mint()
        self._exchange = key.exchange(True, identity.fingerprint, fingerprint)
        self._transcript = b""
        self.hello = TeamHello(
            v=VERSION,
            certificate=certificate.own_certificate(identity),
            nonce=secrets.token_bytes(32),
            spake=self._exchange.message,
        )

    def proof(self, challenge: TeamChallenge) -> TeamProof:
        """Prove the key first. Raises :class:`Refused`."""
        if self._transcript:
            raise Refused("This run was answered already.")
        self._transcript = _transcript(self._identity.fingerprint, self._fingerprint, self.hello, challenge)
        self._exchange.agree(challenge.spake, self._transcript)
        text = _introduce(self._identity, "initiator", self._transcript, self._card, self._expects)
        sealed, confirmation = self._exchange.seal(text)
        return TeamProof(v=VERSION, id=challenge.id, sealed=sealed, confirmation=confirmation)

    def finish(self, welcome: TeamWelcome, peers: Peers, now: float | None = None) -> Peer:
        """Check that the other side has the key too and store it as a peer. Raises :class:`Refused`."""
        text = self._exchange.open(welcome.sealed, welcome.confirmation)
        card, token = _introduced(text, "responder", self._transcript, self._fingerprint)
        return _admit(peers, card, token, self._expects, now)


class _Run(msgspec.Struct, kw_only=True):
    exchange: Exchange
    transcript: bytes
    fingerprint: str
    address: str
    since: float


class TeamResponder:
    """The side that was found. :meth:`hello` takes about 13 ms of CPU and is thread-safe, so that it can run
    beside the node's loop; :meth:`proof` belongs to the loop."""

    def __init__(self, identity: Identity, key: TeamKey, peers: Peers, card: Callable[[], bytes]):
        self._identity = identity
        self._key = key
        self._peers = peers
        self._card = card
        self._throttle = team_throttle()
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()

    def hello(self, hello: TeamHello, address: str, now: float | None = None) -> TeamChallenge:
        """Open a run with who asks from IP ``address``. Raises :class:`Refused` or :class:`Overloaded`."""
        now = time.time() if now is None else now
        with self._lock:
            self._throttle.check(address, now)
            self._runs = {i: run for i, run in self._runs.items() if now - run.since < RUN_SECONDS}
            if len(self._runs) >= RUNS:
                raise Overloaded("Many nodes join at this moment; try again in some seconds.", retry_after=5)
            self._throttle.failed(address, now)  # taken back when the key is proven
        fingerprint = certificate.check(hello.certificate)
        own = self._identity.fingerprint
        if fingerprint == own or hello.v != VERSION:
            raise Refused("A node cannot join itself.")
        if self._peers.barred(fingerprint):
            raise Refused("This node was removed there; it can come back by a new connection key only.")
        exchange = self._key.exchange(False, fingerprint, own)
        challenge = TeamChallenge(
            v=VERSION, id=secrets.token_urlsafe(18), nonce=secrets.token_bytes(32), spake=exchange.message
        )
        transcript = _transcript(fingerprint, own, hello, challenge)
        exchange.agree(hello.spake, transcript)
        with self._lock:
            self._runs[challenge.id] = _Run(
                exchange=exchange, transcript=transcript, fingerprint=fingerprint, address=address, since=now
            )
        return challenge

    def proof(self, proof: TeamProof, now: float | None = None) -> TeamWelcome:
        """Pair with a node that proves the key; each run has one try. Raises :class:`Refused`."""
        now = time.time() if now is None else now
        with self._lock:
            run = self._runs.pop(proof.id, None)
        if run is None or now - run.since >= RUN_SECONDS or proof.v != VERSION:
            raise Refused("That run is over; start again.")
        text = run.exchange.open(proof.sealed, proof.confirmation)
        card, token = _introduced(text, "initiator", run.transcript, run.fingerprint)
        with self._lock:
            self._throttle.succeeded(run.address)
        expects = Secret.mint()
        own = _introduce(self._identity, "responder", run.transcript, self._card(), expects)
        sealed, confirmation = run.exchange.seal(own)
        peer = _admit(self._peers, card, token, expects, now)
        log.info("%s (%s) joined by team key", peer.name, peer.short)
        return TeamWelcome(v=VERSION, sealed=sealed, confirmation=confirmation)


def _transcript(initiator: str, responder: str, hello: TeamHello, challenge: TeamChallenge) -> bytes:
    return team_transcript(
        initiator=initiator,
        responder=responder,
        certificate=hello.certificate,
        run=challenge.id,
        nonces=(hello.nonce, challenge.nonce),
        spake=(hello.spake, challenge.spake),
    )


def _signed(role: str, transcript: bytes, card: bytes, token: str) -> bytes:
    signed = Transcript(f"team, {role} introduces itself").add("transcript", transcript)
    return signed.add("card", card).add("token", token).digest()


def _introduce(identity: Identity, role: str, transcript: bytes, card: bytes, expects: Secret) -> bytes:
    token = expects.reveal()
    signature = certificate.sign(identity, _signed(role, transcript, card, token))
    return msgspec.json.encode(_Introduction(card=card, token=token, signature=signature))


def _introduced(text: bytes, role: str, transcript: bytes, fingerprint: str) -> tuple[Card, Secret]:
    try:
        introduction = msgspec.json.decode(text, type=_Introduction)
    except msgspec.DecodeError:
        raise BadMessage("The other node's introduction cannot be read.") from None
    card = messages.read_card(introduction.card)
    digest = _signed(role, transcript, introduction.card, introduction.token)
    proven = certificate.check(card.certificate) == fingerprint
    if not proven or not certificate.signed_by(card.certificate, introduction.signature, digest):
        raise Refused(WRONG)
    return card, Secret(introduction.token)


def _admit(peers: Peers, card: Card, token: Secret, expects: Secret, now: float | None) -> Peer:
    return peers.admit(
        der=card.certificate,
        name=card.name,
        addresses=list(card.addresses),
        port=card.port,
        via="team",
        token=token,
        expects=expects,
        now=now,
    )
