"""Management of other nodes: discovered, paired, asked; keys; sharing; settings that change live."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..discovery import Discovered
from ..errors import InvalidRequest, NotFound, Unavailable
from ..mesh.link import Link
from ..mesh.mesh import reachable
from ..mesh.naming import distinct
from ..settings import SECRETS
from ..trust.issued import IssuedKey
from ..trust.qr import qr_svg, qr_text
from ..wire import (
    ConnectRequest,
    KeyInfo,
    KeyWanted,
    ModelInfo,
    ModelSharing,
    NodeInfo,
    NodeSettings,
    Ping,
    RequestInfo,
    RequestWanted,
    SharingWanted,
    Turn,
)
from .context import Context
from .messages import answer, read
from .passing import passed_on

T = TypeVar("T")
Row = tuple[str, str, Callable[[Request], Awaitable[Response]]]


def table(context: Context) -> list[Row]:
    """The routes: method, path, handler."""
    nodes, keys, requests = _Nodes(context), _Keys(context), _Requests(context)
    return [
        ("GET", "/api/v1/nodes", nodes.listed),
        ("GET", "/api/v1/nodes/discovered", nodes.discovered),
        ("GET", "/api/v1/nodes/{node}", nodes.show),
        ("PATCH", "/api/v1/nodes/{node}", nodes.change),
        ("DELETE", "/api/v1/nodes/{node}", nodes.remove),
        ("POST", "/api/v1/nodes/{node}/ping", nodes.ping),
        ("POST", "/api/v1/nodes/{node}/models/{action}", nodes.control),
        ("GET", "/api/v1/keys", keys.listed),
        ("POST", "/api/v1/keys", keys.make),
        ("DELETE", "/api/v1/keys/{id}", keys.revoke),
        ("POST", "/api/v1/connect", keys.connect),
        ("GET", "/api/v1/requests", requests.listed),
        ("POST", "/api/v1/requests", requests.make),
        ("POST", "/api/v1/requests/{id}/{decision}", requests.decide),
        ("GET", "/api/v1/sharing", nodes.sharing),
        ("POST", "/api/v1/sharing", nodes.share),
        ("GET", "/api/v1/settings", nodes.settings),
        ("PATCH", "/api/v1/settings", nodes.configure),
    ]


class _Nodes:
    def __init__(self, context: Context):
        self._context = context
        self._mesh = context.mesh

    async def listed(self, request: Request) -> Response:
        infos = [self._paired(link) for link in self._mesh.links.values()]
        return answer(sorted(infos, key=lambda info: info.name))

    async def discovered(self, request: Request) -> Response:
        return answer([self._found(node) for node in await self._mesh.discover()])

    async def show(self, request: Request) -> Response:
        link = self._link(request)
        info = self._paired(link)
        info.history = [
            Turn(at=self._wall(turn.at), state=turn.state, reason=turn.reason)
            for turn in link.presence.history
        ]
        return answer(info)

    async def change(self, request: Request) -> Response:
        link = self._link(request)
        wanted = msgspec.structs.asdict(await read(request, NodeSettings))
        changes = {name: value for name, value in wanted.items() if value is not None}
        self._mesh.peers.set(link.peer.fingerprint, **changes)
        return answer(self._paired(link))

    async def remove(self, request: Request) -> Response:
        await self._mesh.remove(self._link(request).peer.fingerprint)
        return answer(None)

    async def ping(self, request: Request) -> Response:
        link = self._link(request)
        return answer(Ping(latency=await link.probe(), address=link.backend.address))

    async def control(self, request: Request) -> Response:
        """Pass a management request for models on to a peer, and its answer back as it comes."""
        link, action = self._link(request), request.path_params["action"]
        if action not in ("load", "unload", "pull"):
            raise NotFound(f"A node can load, unload and pull models, not {action}.")
        pool = link.backend.pool
        if pool is None or link.presence.state != "online":
            raise Unavailable(f"{link.backend.node} is not online: {link.presence.reason}.")
        body = await request.body()
        head = link.backend.head(b"POST", f"/mesh/v1/control/models/{action}".encode(), len(body))
        exchange = await pool.send(head + b"\r\n", body, self._context.settings.header_timeout)
        return await passed_on(exchange, link.backend.node)

    async def sharing(self, request: Request) -> Response:
        models = sorted(self._context.library.models)
        shares = self._mesh.sharing.shares
        return answer([ModelSharing(model=model, shared=shares(model)) for model in models])

    async def share(self, request: Request) -> Response:
        wanted = await read(request, SharingWanted)
        model = self._context.library.get(wanted.model)
        self._mesh.sharing.set(model.id, wanted.shared)
        self._context.dispatcher.refresh()
        await self._mesh.refresh()
        return answer(None)

    async def settings(self, request: Request) -> Response:
        values = msgspec.structs.asdict(self._context.settings)
        shown = {name: bool(value) if name in SECRETS else value for name, value in values.items()}
        return answer({**shown, "home": str(shown["home"])})

    async def configure(self, request: Request) -> Response:
        await self._context.configure(await read(request, dict[str, Any]))
        return await self.settings(request)

    def _link(self, request: Request) -> Link:
        wanted = request.path_params["node"]
        links = self._mesh.links.values()
        found = [link for link in links if _is(wanted, link.peer.fingerprint, link.peer.name)]
        return _only(found, wanted, "paired node", [link.backend.node for link in links])

    def _paired(self, link: Link) -> NodeInfo:
        peer, presence = link.peer, link.presence
        node = self._mesh.discovery.get(peer.fingerprint) if self._mesh.discovery else None
        name, table = link.backend.node, self._context.dispatcher.table
        info = self._found(node) if node else NodeInfo(fingerprint=peer.fingerprint, name=name)
        first = [link.backend.address] if link.backend.address else []
        info.name, info.paired, info.via = name, True, peer.via
        info.addresses = list(dict.fromkeys([*first, *info.addresses, *peer.addresses]))
        info.version = link.version or info.version
        info.state, info.reason, info.latency = presence.state, presence.reason, presence.latency
        info.models = [
            ModelInfo(
                id=entry.model,
                state=entry.state,
                nodes=[name],
                tasks=sorted(entry.tasks),
                chat=entry.chat,
                context_length=entry.context_length,
                quantization=entry.quantization,
                digest=entry.digest,
                other=table.difference(entry) if table.is_other(entry) else None,
            )
            for entry in link.backend.offers()
        ]
        info.priority, info.weight = peer.priority, peer.weight
        info.max_load_percent, info.in_routing = peer.max_load_percent, peer.in_routing
        info.allow_control = peer.allow_control
        info.resources = link.resources if presence.state == "online" else None
        return info

    def _found(self, node: Discovered) -> NodeInfo:
        said = node.announcement
        return NodeInfo(
            fingerprint=node.fingerprint,
            name=self._mesh.naming.called(node.fingerprint, said.name),
            addresses=list(reachable(node)),
            version=said.version,
            engines=list(said.engines) if said.engines is not None else None,
            accelerator=said.accelerator,
            model_count=said.models,
            age=time.monotonic() - node.last_seen,
            paired=self._mesh.peers.get(node.fingerprint) is not None,
        )

    @staticmethod
    def _wall(at: float) -> float:
        return time.time() - (time.monotonic() - at)


class _Keys:
    def __init__(self, context: Context):
        self._mesh = context.mesh

    async def listed(self, request: Request) -> Response:
        return answer([_key(key) for key in self._mesh.issued.listed()])

    async def make(self, request: Request) -> Response:
        wanted = await read(request, KeyWanted)
        key = await self._mesh.make_key(ttl=wanted.ttl, name=wanted.name, interface=wanted.interface)
        info = next(_key(issued) for issued in self._mesh.issued.listed() if issued.id == key.id)
        info.text = str(key)
        info.qr_svg, info.qr_text = qr_svg(info.text), qr_text(info.text)
        return answer(info)

    async def revoke(self, request: Request) -> Response:
        return answer(_key(self._mesh.issued.revoke(request.path_params["id"])))

    async def connect(self, request: Request) -> Response:
        peer = await self._mesh.connect((await read(request, ConnectRequest)).key)
        name = self._mesh.naming.called(peer.fingerprint, peer.name)
        return answer(NodeInfo(fingerprint=peer.fingerprint, name=name, paired=True, via=peer.via))


class _Requests:
    def __init__(self, context: Context):
        self._mesh = context.mesh

    async def listed(self, request: Request) -> Response:
        return answer(self._all())

    async def make(self, request: Request) -> Response:
        wanted = (await read(request, RequestWanted)).node
        nodes = await self._mesh.discover()
        found = [node for node in nodes if _is(wanted, node.fingerprint, node.announcement.name)]
        node = _only(found, wanted, "discovered node", [node.announcement.name for node in nodes])
        await self._mesh.ask(node.fingerprint)
        return answer(next(info for info in self._all() if info.fingerprint == node.fingerprint))

    async def decide(self, request: Request) -> Response:
        wanted, decision = request.path_params["id"], request.path_params["decision"]
        steps: dict[str, tuple[str, Callable[[RequestInfo], Any]]] = {
            "approve": ("incoming", lambda info: self._mesh.approvals.approve(info.id)),
            "refuse": ("incoming", lambda info: self._mesh.approvals.refuse(info.id)),
            "confirm": ("outgoing", lambda info: self._mesh.askings.confirm(info.fingerprint)),
            "cancel": ("outgoing", lambda info: self._mesh.askings.cancel(info.fingerprint)),
        }
        if decision not in steps:
            raise NotFound(f"There is no decision {decision}; there are {', '.join(steps)}.")
        direction, step = steps[decision]
        infos = [info for info in self._all() if info.direction == direction]
        found = [info for info in infos if info.id == wanted or _is(wanted, info.fingerprint, info.name)]
        info = _only(found, wanted, f"{direction} request", [info.name for info in infos])
        done = step(info)
        if isinstance(done, Awaitable):
            await done
        info.state = {"approve": "approved", "refuse": "refused", "confirm": "paired"}.get(
            decision, "cancelled"
        )
        return answer(info)

    def _all(self) -> list[RequestInfo]:
        incoming = [
            RequestInfo(
                id=asked.id,
                direction="incoming",
                name=self._mesh.naming.called(asked.fingerprint, asked.name),
                fingerprint=asked.fingerprint,
                code=asked.code,
                state=asked.state,
                since=asked.since,
                address=asked.address,
            )
            for asked in self._mesh.approvals.listed()
        ]
        outgoing = [
            RequestInfo(
                id=asked.fingerprint,
                direction="outgoing",
                name=self._mesh.naming.called(asked.fingerprint, asked.name),
                fingerprint=asked.fingerprint,
                code=asked.code,
                state=asked.state,
                since=asked.since,
            )
            for asked in self._mesh.askings.listed()
        ]
        return incoming + outgoing


def _key(key: IssuedKey) -> KeyInfo:
    return KeyInfo(
        id=key.id,
        state=key.state(time.time()),
        created=key.created,
        expires=key.expires,
        name=key.name,
        addresses=key.addresses,
        used_by=key.used_by,
    )


def _is(wanted: str, fingerprint: str, name: str) -> bool:
    digits = wanted.removeprefix("fp_")
    return wanted in (name, distinct(name, fingerprint)) or (
        len(digits) >= 4 and fingerprint[3:].startswith(digits)
    )


def _only(found: list[T], wanted: str, what: str, names: list[str]) -> T:
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidRequest(
            f"Several nodes are called {wanted!r}; give the first digits of the fingerprint."
        )
    known = f" There are: {', '.join(sorted(names))}." if names else ""
    raise NotFound(f"There is no {what} {wanted!r}.{known}")
