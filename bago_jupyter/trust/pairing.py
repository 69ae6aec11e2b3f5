"""Pairing by connection key: one request, one answer, then both sides know each other.

The initiator I connects to the responder R by TLS pinned to the fingerprint in the key, so R is
authenticated and nobody else reads along. I shows no TLS certificate (R could not verify it yet); the request
carries it and proves its key. With T = transcript(label, R's fingerprint, I's fingerprint, key id, nonce,
I's card, I's token)::

    I -> R   key id, nonce, card, token, proof = Ed25519 by the key's secret over T,
             signature = ECDSA by I's private key over T
    R -> I   nonce', card', token', signature' = ECDSA by R's private key over
             transcript(label', T, nonce', card', token')

- Both fingerprints, roles (the labels), version, key id, nonces, names, addresses and tokens are
  under the signatures: a change of any of them is refused.
- A relay in the middle that terminates TLS with another certificate fails I's pin. One that knows the key
  and pairs itself consumes it, and the owner sees its name and fingerprint; that is what handing out
  a key means.
- Replay: a key works once, and R writes that down before it answers; so R needs no nonce of its own first.
  The one request that is answered twice is a repetition by the same certificate before the key
  expires, since answers get lost, and only while it is still a peer: a removed node cannot come back by
  its old key. A replayer would have to read inside I's TLS connection to R; it would get
  nothing usable then, as tokens count only with the private key of the certificate they were minted for.
- Tokens are minted by the side that will check them, 256 random bits each, stored hashed there.

Nothing here touches a socket: the caller moves the messages.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

import msgspec

from ..identity import Identity
from . import certificate, messages
from .connection_key import ConnectionKey
from .issued import IssuedKeys
from .messages import Card, KeyAnswer, KeyRequest
from .peers import Peer, Peers
from .refusal import Refused
from .secret import Secret
from .throttle import Throttle
from .transcript import VERSION, Transcript

log = logging.getLogger("bago.trust")

NONCE_BYTES = 32
REMEMBERED = 64
REMEMBERED_FOR = 600.0
"""Answers kept for initiators that ask again, and for how many seconds; later ones get new tokens."""


def card_of(identity: Identity, name: str, addresses: list[str], port: int, version: str = "") -> bytes:
    """This node's card, packed."""
    own = certificate.own_certificate(identity)
    return messages.write(Card(certificate=own, name=name, addresses=addresses, port=port, version=version))


class KeyPairing:
    """The initiator's side. Send :attr:`request` over TLS pinned to ``key.fingerprint``; give the answer
    to :meth:`finish`. The same request may be sent again, also at another address of the key."""

    def __init__(self, identity: Identity, key: ConnectionKey, card: bytes):
        if key.fingerprint == identity.fingerprint:
            raise Refused("This connection key is this node's own; use it on another node.")
        self._key = key
        self._expects = Secret.mint()
        nonce = secrets.token_bytes(NONCE_BYTES)
        self._digest = _request_digest(
            key.fingerprint, identity.fingerprint, key.id, nonce, card, self._expects.reveal()
        )
        self.request = KeyRequest(
            v=VERSION,
            key=key.id,
            nonce=nonce,
            card=card,
            token=self._expects.reveal(),
            proof=key.prove(self._digest),
            signature=certificate.sign(identity, self._digest),
        )

    def finish(self, answer: KeyAnswer, peers: Peers, now: float | None = None) -> Peer:
        """Check the responder's answer and store it as a peer. Raises :class:`Refused` and stores nothing."""
        card = messages.read_card(answer.card)
        digest = _answer_digest(self._digest, answer.nonce, answer.card, answer.token)
        if certificate.check(card.certificate) != self._key.fingerprint or answer.v != VERSION:
            raise Refused("The node that answered is not the one that made the connection key.")
        if not certificate.signed_by(card.certificate, answer.signature, digest):
            raise Refused("The answer to the connection key was altered on its way; try again.")
        return peers.admit(
            der=card.certificate,
            name=card.name,
            addresses=list(dict.fromkeys([*card.addresses, *self._key.addresses])),
            port=card.port,
            via="key",
            token=Secret(answer.token),
            expects=self._expects,
            now=now,
        )


class KeyResponder:
    """The side that issued the key. Belongs to the node's loop.

    ``card`` returns this node's card, packed, as it is at the moment.
    """

    def __init__(self, identity: Identity, issued: IssuedKeys, peers: Peers, card: Callable[[], bytes]):
        self._identity = identity
        self._issued = issued
        self._peers = peers
        self._card = card
        self._throttle = Throttle("attempts to pair")
        self._answers: dict[bytes, tuple[float, KeyAnswer]] = {}

    def answer(self, request: KeyRequest, address: str, now: float | None = None) -> KeyAnswer:
        """Pair with the node that sent ``request`` from IP ``address``, over TLS.

        Raises :class:`Refused`, or :class:`Overloaded` after too many failures; nothing is stored then.
        """
        now = time.time() if now is None else now
        self._throttle.check(address, now)
        try:
            answer = self._answer(request, now)
        except Exception:
            self._throttle.failed(address, now)
            raise
        self._throttle.succeeded(address)
        return answer

    def _answer(self, request: KeyRequest, now: float) -> KeyAnswer:
        card = messages.read_card(request.card)
        fingerprint = certificate.check(card.certificate)
        if fingerprint == self._identity.fingerprint or request.v != VERSION:
            raise Refused("A node cannot pair with itself.")
        digest = _request_digest(
            self._identity.fingerprint, fingerprint, request.key, request.nonce, request.card, request.token
        )
        if not certificate.signed_by(card.certificate, request.signature, digest):
            raise Refused("The request does not prove the certificate that it shows.")
        again = self._peers.get(fingerprint) is not None
        self._issued.redeem(request.key, digest, request.proof, fingerprint, again=again, now=now)
        known = self._answers.get(digest)
        if known is not None and again:
            return known[1]
        token = Secret.mint()
        peer = self._peers.admit(
            der=card.certificate,
            name=card.name,
            addresses=list(card.addresses),
            port=card.port,
            via="key",
            token=Secret(request.token),
            expects=token,
            now=now,
        )
        log.info("Paired with %s (%s) by connection key %s", peer.name, peer.short, request.key)
        answer = self._signed(digest, token)
        self._answers[digest] = now, answer
        self._forget(now)
        return answer

    def _forget(self, now: float) -> None:
        fresh = [(key, kept) for key, kept in self._answers.items() if now - kept[0] < REMEMBERED_FOR]
        self._answers = dict(fresh[-REMEMBERED:])

    def _signed(self, digest: bytes, token: Secret) -> KeyAnswer:
        unsigned = KeyAnswer(
            v=VERSION,
            nonce=secrets.token_bytes(NONCE_BYTES),
            card=self._card(),
            token=token.reveal(),
            signature=b"",
        )
        signed = _answer_digest(digest, unsigned.nonce, unsigned.card, unsigned.token)
        return msgspec.structs.replace(unsigned, signature=certificate.sign(self._identity, signed))


def _request_digest(
    responder: str, initiator: str, key_id: str, nonce: bytes, card: bytes, token: str
) -> bytes:
    transcript = Transcript("pair by key, request").add("responder", responder).add("initiator", initiator)
    return transcript.add("key", key_id).add("nonce", nonce).add("card", card).add("token", token).digest()


def _answer_digest(request: bytes, nonce: bytes, card: bytes, token: str) -> bytes:
    transcript = Transcript("pair by key, answer").add("request", request).add("nonce", nonce)
    return transcript.add("card", card).add("token", token).digest()
