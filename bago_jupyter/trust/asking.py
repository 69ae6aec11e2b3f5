"""The asking side of request and approve; :mod:`.matching` describes the protocol."""

from __future__ import annotations

import secrets

from ..identity import Identity
from . import certificate, messages
from .matching import (
    admit,
    commitment,
    confirm_digest,
    done_digest,
    match_code,
    reveal_digest,
    transcript_digest,
)
from .messages import Ask, AskAnswer, AskConfirm, AskDone, AskPoll, AskReveal
from .peers import Peer, Peers
from .refusal import Refused
from .secret import Secret
from .transcript import VERSION


class Asking:
    """The asking side. Send :attr:`ask` by TLS pinned to ``fingerprint``, hand the answer to
    :meth:`answered`, send what it returns, show :attr:`code`, poll with :attr:`poll`; when the owner
    said that the other node shows the same code, send :meth:`confirm` and hand its answer to :meth:`finish`.
    """

    def __init__(self, identity: Identity, fingerprint: str, card: bytes):
        if fingerprint == identity.fingerprint:
            raise Refused("A node cannot pair with itself.")
        self._identity = identity
        self._fingerprint = fingerprint
        self._card = card
        self._nonce = secrets.token_bytes(32)
        self._expects = Secret.mint()
        self._digest = b""
        self._answer: AskAnswer | None = None
        self.ask = Ask(v=VERSION, card=card, commitment=commitment(fingerprint, card, self._nonce))

    @property
    def code(self) -> str:
        """The match code, ``123 456``, once :meth:`answered`."""
        return match_code(self._digest)

    @property
    def poll(self) -> AskPoll:
        """Asks how it stands."""
        return AskPoll(v=VERSION, id=self._answered().id)

    @property
    def cancel(self) -> AskPoll:
        """Withdraws the request."""
        return AskPoll(v=VERSION, id=self._answered().id, cancel=True)

    def answered(self, answer: AskAnswer) -> AskReveal:
        """Take the first answer. Raises :class:`Refused` if it is not from the node that was asked."""
        if self._answer is not None:
            raise Refused("This request was answered already.")
        card = messages.read_card(answer.card)
        if certificate.check(card.certificate) != self._fingerprint or answer.v != VERSION:
            raise Refused("The node that answered is not the one that was asked.")
        self._answer = answer
        self._digest = transcript_digest(
            self._identity.fingerprint, self._fingerprint, self.ask, self._nonce, answer
        )
        signature = certificate.sign(self._identity, reveal_digest(self._digest))
        return AskReveal(v=VERSION, id=answer.id, nonce=self._nonce, signature=signature)

    def confirm(self) -> AskConfirm:
        """The owner here has seen the same code on the other node."""
        digest = confirm_digest(self._digest, self._expects.reveal())
        return AskConfirm(
            v=VERSION,
            id=self._answered().id,
            token=self._expects.reveal(),
            signature=certificate.sign(self._identity, digest),
        )

    def finish(self, done: AskDone, peers: Peers, now: float | None = None) -> Peer:
        """Check the last answer and store the node as a peer. Raises :class:`Refused`."""
        card = messages.read_card(self._answered().card)
        confirmed = confirm_digest(self._digest, self._expects.reveal())
        digest = done_digest(confirmed, done.token)
        if done.v != VERSION or not certificate.signed_by(card.certificate, done.signature, digest):
            raise Refused("The other node's approval was altered on its way; ask again.")
        return admit(peers, card, Secret(done.token), self._expects, now)

    def _answered(self) -> AskAnswer:
        if self._answer is None:
            raise Refused("The other node has not answered yet.")
        return self._answer
