"""The mesh side of the port: what other nodes may ask over TLS.

Pairing routes are open to nodes without a certificate of a peer; every other one wants the token that
was minted for the certificate which the connection proved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response

from ..backends.dialects import ENDPOINTS
from ..errors import Forbidden, NotFound, Unavailable, UpstreamFailed
from ..http1 import Admission, Asgi, Incoming
from ..http1.asgi import App, Receive, Scope, Send
from ..mesh import Mesh
from ..mesh.wire import PREFIX, Bye, read
from ..trust import messages
from ..trust.joining import TeamResponder
from ..trust.messages import (
    Ask,
    AskConfirm,
    AskPoll,
    AskReveal,
    KeyRequest,
    TeamHello,
    TeamProof,
)
from ..trust.peers import Peer
from ..trust.refusal import Refused
from .callers import PAIRED
from .guard import bearer
from .inference import Inference
from .messages import MAX_BODY
from .news import News

RELAY = f"{PREFIX}/relay".encode()
CONTROL = f"{PREFIX}/control/".encode()
HELLO = f"{PREFIX}/hello".encode()
EVENTS = f"{PREFIX}/events".encode()
BYE = f"{PREFIX}/bye".encode()
JSON = [(b"content-type", b"application/json")]
Answerer = Callable[[bytes, str], Awaitable[bytes]]


class MeshApp:
    """What TLS connections are served. Belongs to the node's loop.

    ``control`` serves the management routes that a trusted peer may use, as an ASGI application; ``refuse``
    answers with an error.
    """

    def __init__(
        self,
        mesh: Mesh,
        inference: Inference,
        control: App,
        refuse: Callable[[Incoming, Exception], None],
    ):
        self._mesh = mesh
        self._inference = inference
        self._control = control
        self._refuse = refuse
        self._news = News(mesh)
        self._pairing: dict[bytes, Answerer] = {
            f"{PREFIX}/pair".encode(): self._pair,
            f"{PREFIX}/ask".encode(): self._ask,
            f"{PREFIX}/reveal".encode(): self._reveal,
            f"{PREFIX}/poll".encode(): self._poll,
            f"{PREFIX}/confirm".encode(): self._confirm,
            f"{PREFIX}/team/hello".encode(): self._team_hello,
            f"{PREFIX}/team/proof".encode(): self._team_proof,
        }

    def admit(self, incoming: Incoming, path: bytes) -> Admission:
        """Decide by the head alone. Raises a :class:`~bago_jupyter.errors.BagoError`."""
        pairing = self._pairing.get(path) if incoming.method == b"POST" else None
        if pairing is not None:
            return Admission(partial(self._answer, pairing), messages.LARGEST)
        peer = self._verify(incoming)
        incoming.known()
        if path.startswith(RELAY):
            return self._relay(peer, path.removeprefix(RELAY), incoming)
        if path == HELLO:
            return Admission(partial(self._hello, peer), 0)
        if path == EVENTS:
            return Admission(partial(self._news.open, peer), 0)
        if path == BYE and incoming.method == b"POST":
            return Admission(partial(self._bye, peer), messages.LARGEST)
        if path.startswith(CONTROL):
            if not peer.allow_control:
                raise Forbidden(
                    f"{self._mesh.hello().name} does not let its peers load or unload models; its owner can "
                    f'switch on "allow control" for {peer.name} there.',
                    param="allow_control",
                )
            inner = "/api/v1/" + path.removeprefix(CONTROL).decode("latin-1")
            return Admission(partial(self._manage, {"path": inner, PAIRED: peer}), MAX_BODY)
        raise NotFound(f"There is no mesh route {incoming.method.decode()} {path.decode('latin-1')}.")

    def _verify(self, incoming: Incoming) -> Peer:
        token = bearer(incoming.first.get(b"authorization"))
        peer = self._mesh.peers.verify(incoming.peer, token.decode("latin-1") if token else None)
        if peer is None:
            raise Forbidden("These nodes are not paired (any more); pair them by a connection key.")
        if self._mesh.away_from(peer):
            raise Unavailable("This node has switched discovery off and left its team until it is on again.")
        return peer

    def _relay(self, peer: Peer, path: bytes, incoming: Incoming) -> Admission:
        endpoint = ENDPOINTS.get(path)
        if endpoint is None:
            raise NotFound(f"There is no route {path.decode('latin-1')} to relay to.")
        if self._mesh.draining:
            raise Unavailable("This node drains and takes no new requests; another one may answer.")
        return self._inference.admit(endpoint, incoming, peer)

    def _hello(self, peer: Peer, incoming: Incoming) -> None:
        address = incoming.address
        incoming.respond(200, JSON, msgspec.json.encode(self._mesh.hello(probed=True)))
        port = incoming.first.get(b"x-bago-port", b"")
        if port.isdigit() and len(port) <= 5:
            self._mesh.heard(peer, address[0], int(port))

    def _bye(self, peer: Peer, incoming: Incoming) -> None:
        try:
            bye = read(incoming.body, Bye)
        except UpstreamFailed:
            raise Refused("That message cannot be read.") from None
        incoming.respond(200, JSON, b"{}")
        self._mesh.said_bye(peer, bye)

    def _manage(self, more: dict[str, Any], incoming: Incoming) -> None:
        Asgi(self._control, incoming, self._refuse, more)

    def _answer(self, pairing: Answerer, incoming: Incoming) -> None:
        async def asked(scope: Scope, receive: Receive, send: Send) -> None:
            answer = await pairing(incoming.body, incoming.address[0])
            await Response(answer, media_type="application/json")(scope, receive, send)

        Asgi(asked, incoming, self._refuse)

    # -- pairing

    async def _pair(self, body: bytes, address: str) -> bytes:
        request = messages.read(body, KeyRequest)
        return messages.write(self._mesh.key_responder.answer(request, address))

    async def _ask(self, body: bytes, address: str) -> bytes:
        return messages.write(self._mesh.approvals.ask(messages.read(body, Ask), address))

    async def _reveal(self, body: bytes, address: str) -> bytes:
        return messages.write(self._mesh.approvals.reveal(messages.read(body, AskReveal)))

    async def _poll(self, body: bytes, address: str) -> bytes:
        return messages.write(self._mesh.approvals.poll(messages.read(body, AskPoll)))

    async def _confirm(self, body: bytes, address: str) -> bytes:
        return messages.write(self._mesh.approvals.confirm(messages.read(body, AskConfirm)))

    async def _team_hello(self, body: bytes, address: str) -> bytes:
        hello = messages.read(body, TeamHello)
        return messages.write(await asyncio.to_thread(self._team().hello, hello, address))

    async def _team_proof(self, body: bytes, address: str) -> bytes:
        return messages.write(self._team().proof(messages.read(body, TeamProof)))

    def _team(self) -> TeamResponder:
        responder = self._mesh.team.responder
        if responder is None:
            raise Refused("This node is in no team; pair by a connection key.")
        return responder
