"""The asked side of request and approve; :mod:`.matching` describes the protocol."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from ..errors import NotFound, Overloaded
from ..identity import Identity
from . import certificate, messages
from .matching import (
    LIFETIME,
    PENDING,
    STARTS,
    STARTS_EACH,
    admit,
    commitment,
    confirm_digest,
    done_digest,
    match_code,
    reveal_digest,
    transcript_digest,
)
from .messages import Ask, AskAnswer, AskConfirm, AskDone, AskPoll, AskReveal, AskState, Card
from .peers import Peers
from .refusal import Refused
from .secret import Secret
from .throttle import Throttle
from .transcript import VERSION, same

log = logging.getLogger("bago.trust")

State = Literal["waiting", "approved", "refused", "cancelled"]
_GONE = "That request is over; ask again."


class Request(msgspec.Struct, kw_only=True):
    """A request as the owner of the asked node sees it."""

    id: str
    name: str
    """As the other node calls itself."""
    fingerprint: str
    address: str
    """IP address that it came from."""
    code: str
    since: float
    expires: float
    state: State


class _Pending(msgspec.Struct, kw_only=True):
    ask: Ask
    answer: AskAnswer
    card: Card
    fingerprint: str
    address: str
    since: float
    digest: bytes = b""
    """Empty until revealed."""
    state: State = "waiting"
    done: tuple[bytes, AskDone] | None = None


class Approvals:
    """The asked side. Belongs to the node's loop; ``changed`` is called when the list to show changes."""

    def __init__(
        self,
        identity: Identity,
        peers: Peers,
        card: Callable[[], bytes],
        changed: Callable[[], None] = lambda: None,
    ):
        self._identity = identity
        self._peers = peers
        self._card = card
        self._changed = changed
        self._pending: dict[str, _Pending] = {}
        self._starts = Throttle("requests", free=STARTS_EACH, first=15.0, forget=LIFETIME, budget=STARTS)

    def ask(self, ask: Ask, address: str, now: float | None = None) -> AskAnswer:
        """Take a new request from IP ``address``. Raises :class:`Refused` or :class:`Overloaded`."""
        now = time.time() if now is None else now
        self._sweep(now)
        self._starts.check(address, now)
        self._starts.failed(address, now)  # every start counts: see above
        open_ = [p for p in self._pending.values() if p.state in ("waiting", "approved") and p.done is None]
        if len(open_) >= PENDING:
            raise Overloaded(
                "Too many requests wait for this node's owner; use a connection key.", retry_after=60
            )
        card = messages.read_card(ask.card)
        fingerprint = certificate.check(card.certificate)
        if fingerprint == self._identity.fingerprint or ask.v != VERSION:
            raise Refused("A node cannot pair with itself.")
        answer = AskAnswer(
            v=VERSION, id=secrets.token_urlsafe(18), card=self._card(), nonce=secrets.token_bytes(32)
        )
        self._pending[answer.id] = _Pending(
            ask=ask, answer=answer, card=card, fingerprint=fingerprint, address=address, since=now
        )
        return answer

    def reveal(self, reveal: AskReveal, now: float | None = None) -> AskState:
        """Take the reveal; from now on the request is listed. Raises :class:`Refused` and forgets it."""
        pending = self._find(reveal.id, now)
        if pending.digest:
            if not same(pending.digest, self._digest(pending, reveal)):
                raise Refused(_GONE)
            return self._state(pending)
        digest = self._digest(pending, reveal)
        committed = commitment(self._identity.fingerprint, pending.ask.card, reveal.nonce)
        signed = certificate.signed_by(pending.card.certificate, reveal.signature, reveal_digest(digest))
        if not same(committed, pending.ask.commitment) or not signed or reveal.v != VERSION:
            del self._pending[reveal.id]
            raise Refused("The request does not hold to its commitment.")
        for other_id, other in list(self._pending.items()):
            if other.fingerprint == pending.fingerprint and other.digest:
                del self._pending[other_id]  # asked again: the older one is void
        pending.digest = digest
        log.info("%s (%s) asks to pair", pending.card.name, pending.fingerprint[3:11])
        self._changed()
        return self._state(pending)

    def poll(self, poll: AskPoll, now: float | None = None) -> AskState:
        """How the request stands, or its withdrawal. A forgotten one has expired."""
        try:
            pending = self._find(poll.id, now)
        except Refused:
            return AskState(v=VERSION, state="expired")
        if poll.cancel and pending.done is None:
            pending.state = "cancelled"
            self._changed()
        return self._state(pending)

    def confirm(self, confirm: AskConfirm, now: float | None = None) -> AskDone:
        """Pair, if the owner here approved. Raises :class:`Refused`; a repetition gets the same answer."""
        pending = self._find(confirm.id, now)
        if pending.state != "approved" or not pending.digest or confirm.v != VERSION:
            raise Refused("The other node's owner has not approved the request.")
        digest = confirm_digest(pending.digest, confirm.token)
        if not certificate.signed_by(pending.card.certificate, confirm.signature, digest):
            raise Refused("The confirmation does not prove the certificate that asked.")
        if pending.done is not None:
            if not same(pending.done[0], digest) or self._peers.get(pending.fingerprint) is None:
                raise Refused(_GONE)
            return pending.done[1]
        token = Secret.mint()
        peer = admit(self._peers, pending.card, Secret(confirm.token), token, now)
        signature = certificate.sign(self._identity, done_digest(digest, token.reveal()))
        done = AskDone(v=VERSION, token=token.reveal(), signature=signature)
        pending.done = digest, done
        log.info("Paired with %s (%s) by approval", peer.name, peer.short)
        self._changed()
        return done

    def listed(self, now: float | None = None) -> list[Request]:
        """The requests that wait for the owner, the oldest first."""
        self._sweep(time.time() if now is None else now)
        return [self._shown(p) for p in self._pending.values() if p.digest and p.state == "waiting"]

    def approve(self, request_id: str, now: float | None = None) -> Request:
        """The owner agrees, having compared the code. Raises :class:`NotFound`."""
        return self._decide(request_id, "approved", now)

    def refuse(self, request_id: str, now: float | None = None) -> Request:
        """The owner says no. Raises :class:`NotFound`."""
        return self._decide(request_id, "refused", now)

    def _decide(self, request_id: str, state: State, now: float | None) -> Request:
        self._sweep(time.time() if now is None else now)
        pending = self._pending.get(request_id)
        if pending is None or not pending.digest or pending.state != "waiting":
            raise NotFound(
                "No request with that id waits; it was decided, withdrawn, or is older than 5 minutes."
            )
        pending.state = state
        self._changed()
        return self._shown(pending)

    def _find(self, request_id: str, now: float | None) -> _Pending:
        self._sweep(time.time() if now is None else now)
        pending = self._pending.get(request_id)
        if pending is None:
            raise Refused(_GONE)
        return pending

    def _sweep(self, now: float) -> None:
        over = [i for i, p in self._pending.items() if now - p.since >= LIFETIME]
        shown = [i for i in over if self._pending.pop(i).state == "waiting"]
        if shown:
            self._changed()

    def _digest(self, pending: _Pending, reveal: AskReveal) -> bytes:
        return transcript_digest(
            pending.fingerprint, self._identity.fingerprint, pending.ask, reveal.nonce, pending.answer
        )

    def _shown(self, pending: _Pending) -> Request:
        return Request(
            id=pending.answer.id,
            name=pending.card.name,
            fingerprint=pending.fingerprint,
            address=pending.address,
            code=match_code(pending.digest),
            since=pending.since,
            expires=pending.since + LIFETIME,
            state=pending.state,
        )

    @staticmethod
    def _state(pending: _Pending) -> AskState:
        return AskState(v=VERSION, state=pending.state)
