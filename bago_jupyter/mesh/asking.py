"""Requests that this node made to others, until they are decided."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from ..errors import BagoError, NotFound
from ..identity import Identity
from ..trust import messages
from ..trust.asking import Asking
from ..trust.matching import LIFETIME
from ..trust.messages import AskAnswer, AskDone, AskState
from ..trust.peers import Peer, Peers
from ..trust.refusal import Refused
from ..trust.tls import Tls
from .calls import post_anywhere

log = logging.getLogger("bago.mesh")

POLL = 1.0
State = Literal["waiting", "approved", "refused", "cancelled", "expired"]


class Asked(msgspec.Struct, kw_only=True):
    """One request of ours."""

    name: str
    fingerprint: str
    code: str
    since: float
    state: State
    asking: Asking
    addresses: Sequence[str]


class Askings:
    """Belongs to the node's loop. ``changed`` is called when a request changes state."""

    def __init__(
        self,
        identity: Identity,
        peers: Peers,
        tls: Tls,
        card: Callable[[], bytes],
        changed: Callable[[], None],
    ):
        self._identity = identity
        self._peers = peers
        self._tls = tls
        self._card = card
        self._changed = changed
        self._asked: dict[str, Asked] = {}
        self._polls: set[asyncio.Task[None]] = set()

    def listed(self) -> list[Asked]:
        """Requests of the last minutes, the oldest first."""
        limit = time.time() - LIFETIME
        self._asked = {key: asked for key, asked in self._asked.items() if asked.since > limit}
        return list(self._asked.values())

    async def ask(self, name: str, fingerprint: str, addresses: Sequence[str]) -> str:
        """Ask the node; the match code. Raises :class:`BagoError`."""
        asking = Asking(self._identity, fingerprint, self._card())
        answer = await self._send(fingerprint, addresses, "ask", messages.write(asking.ask))
        reveal = asking.answered(messages.read(answer, AskAnswer))
        await self._send(fingerprint, addresses, "reveal", messages.write(reveal))
        asked = Asked(
            name=name,
            fingerprint=fingerprint,
            code=asking.code,
            since=time.time(),
            state="waiting",
            asking=asking,
            addresses=addresses,
        )
        self._asked[fingerprint] = asked
        task = asyncio.create_task(self._follow(asked))
        self._polls.add(task)
        task.add_done_callback(self._polls.discard)
        self._changed()
        return asked.code

    async def confirm(self, fingerprint: str) -> Peer:
        """The owner here saw the same code there: pair. Raises :class:`BagoError`."""
        asked = self._need(fingerprint)
        if asked.state != "approved":
            raise Refused(f"{asked.name} has not approved yet; its owner sees the code {asked.code}.")
        body = messages.write(asked.asking.confirm())
        answer = await self._send(fingerprint, asked.addresses, "confirm", body)
        peer = asked.asking.finish(messages.read(answer, AskDone), self._peers)
        del self._asked[fingerprint]
        self._changed()
        return peer

    async def cancel(self, fingerprint: str) -> None:
        """Withdraw a request."""
        asked = self._need(fingerprint)
        del self._asked[fingerprint]
        self._changed()
        with contextlib.suppress(BagoError):
            await self._send(fingerprint, asked.addresses, "poll", messages.write(asked.asking.cancel))

    def _need(self, fingerprint: str) -> Asked:
        asked = self._asked.get(fingerprint)
        if asked is None:
            raise NotFound("This node was not asked, or that was more than 5 minutes ago.")
        return asked

    async def _follow(self, asked: Asked) -> None:
        while asked.state == "waiting" and time.time() - asked.since < LIFETIME:
            await asyncio.sleep(POLL)
            if self._asked.get(asked.fingerprint) is not asked:
                return
            with contextlib.suppress(BagoError):
                body = messages.write(asked.asking.poll)
                answer = await self._send(asked.fingerprint, asked.addresses, "poll", body)
                asked.state = messages.read(answer, AskState).state
        self._changed()

    async def _send(self, fingerprint: str, addresses: Sequence[str], step: str, body: bytes) -> bytes:
        return await post_anywhere(addresses, self._tls.stranger(fingerprint), f"/mesh/v1/{step}", body)
