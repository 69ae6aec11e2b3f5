"""Joining the nodes that share the team key, on sight."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Sequence

from ..errors import BagoError, Overloaded
from ..identity import Identity
from ..state import Home
from ..trust import messages
from ..trust.joining import TeamJoin, TeamResponder, goes_first, team_throttle
from ..trust.messages import TeamChallenge, TeamWelcome
from ..trust.peers import Peers
from ..trust.refusal import Refused
from ..trust.secret import Secret
from ..trust.team import TeamKey
from ..trust.tls import Tls
from .calls import post_anywhere

log = logging.getLogger("bago.mesh")

FILE = "team"
WAIT = 3.0
"""Seconds that the node which does not go first waits for the other one."""
AGAIN = 30.0
"""Seconds after which a node that refused is tried again, at the next announcement."""


class Team:
    """The team key of one node. Belongs to the node's loop."""

    def __init__(self, home: Home, identity: Identity, peers: Peers, tls: Tls, card: Callable[[], bytes]):
        self.responder: TeamResponder | None = None
        self._home = home
        self._identity = identity
        self._peers = peers
        self._tls = tls
        self._card = card
        self._key: TeamKey | None = None
        self._throttle = team_throttle()
        self._tried: dict[str, float] = {}

    @property
    def active(self) -> bool:
        """Whether there is a team key."""
        return self._key is not None

    async def start(self, key: str | None) -> None:
        """Use ``key`` from now on; peers that another one brought are removed. Takes 0.2 s, in a thread."""
        self._key = self.responder = None
        self._tried.clear()
        mark = None
        if key is not None:
            self._key = await asyncio.to_thread(TeamKey, Secret(key))
            mark = self._key.mark(self._identity.fingerprint)
        known = self._home.load(
            FILE, _mark, blank=bytes(32), lost="nodes that came by team key are removed, and join again by it"
        )
        if known is not None and (mark is None or not hmac.compare_digest(known, mark)):
            self._peers.leave_team()
        if mark is not None:
            self._home.write(FILE, mark)
        elif known is not None:
            self._home.remove(FILE)
        if self._key is not None:
            self.responder = TeamResponder(self._identity, self._key, self._peers, self._card)

    def wants(self, fingerprint: str) -> bool:
        """Whether to try to join that discovered node now."""
        if self._key is None or self._peers.get(fingerprint) or self._peers.barred(fingerprint):
            return False
        return time.monotonic() - self._tried.get(fingerprint, -AGAIN) >= AGAIN

    async def join(self, fingerprint: str, addresses: Sequence[str]) -> None:
        """Prove the key to a discovered node. Raises :class:`BagoError` when that fails."""
        key = self._key
        if key is None:
            return
        self._tried[fingerprint] = time.monotonic()
        if not goes_first(self._identity.fingerprint, fingerprint):
            await asyncio.sleep(WAIT)
            if self._peers.get(fingerprint) is not None:
                return
        where = addresses[0] if addresses else fingerprint
        self._throttle.check(where, time.time())
        try:
            join = await asyncio.to_thread(TeamJoin, self._identity, key, fingerprint, self._card())
            tls = self._tls.stranger(fingerprint)
            answer = await post_anywhere(addresses, tls, "/mesh/v1/team/hello", messages.write(join.hello))
            proof = await asyncio.to_thread(join.proof, messages.read(answer, TeamChallenge))
            answer = await post_anywhere(addresses, tls, "/mesh/v1/team/proof", messages.write(proof))
            peer = join.finish(messages.read(answer, TeamWelcome), self._peers)
        except (Refused, Overloaded):
            self._throttle.failed(where, time.time())
            raise
        except BagoError:
            self._tried.pop(fingerprint, None)  # it was not there: at its next announcement again
            raise
        self._throttle.succeeded(where)
        log.info("Joined %s (%s) by team key", peer.name, peer.short)


def _mark(data: bytes) -> bytes:
    if len(data) != 32:
        raise ValueError("not the mark of a key")
    return data
