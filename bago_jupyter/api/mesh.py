"""The mesh side of the port: what other nodes may ask over TLS.

Pairing routes are open to nodes without a certificate of a peer; every other one wants the token that
was minted for the certificate which the connection proved.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..backends.framed import HEARTBEAT, FramingSend
from ..errors import Forbidden, NotFound, Unavailable
from ..mesh import Mesh
from ..mesh.wire import PREFIX, Bye
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
from .dialects import ENDPOINTS
from .guard import bearer
from .inference import GONE, Inference
from .respond import read_body, send_whole
from .server import PEER

RELAY = f"{PREFIX}/relay"
CONTROL = f"{PREFIX}/control"
Answerer = Callable[[bytes, str], Awaitable[bytes]]


class MeshApp:
    """ASGI application of TLS connections. Belongs to the node's loop.

    ``control`` serves the management routes that a trusted peer may use, as an ASGI application.
    """

    def __init__(self, mesh: Mesh, inference: Inference, control: Any):
        self._mesh = mesh
        self._inference = inference
        self._control = control
        self._pairing: dict[str, Answerer] = {
            f"{PREFIX}/pair": self._pair,
            f"{PREFIX}/ask": self._ask,
            f"{PREFIX}/reveal": self._reveal,
            f"{PREFIX}/poll": self._poll,
            f"{PREFIX}/confirm": self._confirm,
            f"{PREFIX}/team/hello": self._team_hello,
            f"{PREFIX}/team/proof": self._team_proof,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any, headers: dict[bytes, bytes]) -> None:
        path, method = scope["path"], scope["method"]
        pairing = self._pairing.get(path) if method == "POST" else None
        if pairing is not None:
            body = await read_body(receive, headers, messages.LARGEST)
            answer = await pairing(body, (scope["client"] or ("unknown",))[0])
            await _send_json(send, answer)
            return
        peer = self._verify(scope, headers)
        if path.startswith(RELAY):
            await self._relay(peer, path.removeprefix(RELAY), scope, receive, send, headers)
        elif path == f"{PREFIX}/hello":
            await _send_json(send, msgspec.json.encode(self._mesh.hello(probed=True)))
            port = headers.get(b"x-bago-port", b"")
            if scope["client"] and port.isdigit() and len(port) <= 5:
                self._mesh.heard(peer, scope["client"][0], int(port))
        elif path == f"{PREFIX}/events":
            await self._events(scope, send)
        elif path == f"{PREFIX}/bye" and method == "POST":
            await self._bye(peer, await read_body(receive, headers, messages.LARGEST), send)
        elif path.startswith(f"{CONTROL}/"):
            if not peer.allow_control:
                raise Forbidden(
                    f"{self._mesh.hello().name} does not let its peers load or unload models; its owner can "
                    f'switch on "allow control" for {peer.name} there.',
                    param="allow_control",
                )
            inner = {**scope, "path": "/api/v1" + path.removeprefix(CONTROL), PAIRED: peer}
            await self._control(inner, receive, send)
        else:
            raise NotFound(f"There is no mesh route {method} {path}.")

    def _verify(self, scope: Any, headers: dict[bytes, bytes]) -> Peer:
        token = bearer(headers.get(b"authorization"))
        peer = self._mesh.peers.verify(scope.get(PEER), token.decode("latin-1") if token else None)
        if peer is None:
            raise Forbidden("These nodes are not paired (any more); pair them by a connection key.")
        if self._mesh.away_from(peer):
            raise Unavailable("This node has switched discovery off and left its team until it is on again.")
        return peer

    async def _relay(
        self, peer: Peer, path: str, scope: Any, receive: Any, send: Any, headers: dict[bytes, bytes]
    ) -> None:
        endpoint = ENDPOINTS.get(path)
        if endpoint is None:
            raise NotFound(f"There is no route {path} to relay to.")
        if self._mesh.draining:
            raise Unavailable("This node drains and takes no new requests; another one may answer.")
        framing = FramingSend(send)
        try:
            await self._inference(endpoint, scope, receive, framing, headers, peer=peer, admit=framing.admit)
        finally:
            framing.stop()

    async def _events(self, scope: Any, send: Any) -> None:
        """The catalogue now and at every change, a line feed in between."""
        task = asyncio.current_task()
        assert task is not None
        scope[GONE] = task.cancel
        with contextlib.suppress(asyncio.CancelledError):
            await self._tell(send)

    async def _tell(self, send: Any) -> None:
        headers = [(b"content-type", b"application/x-ndjson")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        mesh, told = self._mesh, b""
        while True:
            news = msgspec.json.encode(mesh.latest())
            line = news if news != told else b""
            told = news
            await send({"type": "http.response.body", "body": line + b"\n", "more_body": True})
            async with mesh.news:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        await mesh.news.wait()

    async def _bye(self, peer: Peer, body: bytes, send: Any) -> None:
        try:
            bye = msgspec.json.decode(body, type=Bye)
        except msgspec.DecodeError:
            raise Refused("That message cannot be read.") from None
        await _send_json(send, b"{}")
        self._mesh.said_bye(peer, bye)

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


async def _send_json(send: Any, body: bytes) -> None:
    await send_whole(send, 200, [(b"content-type", b"application/json")], body)
