"""The mesh as one sees it from this node, over the management API."""

from __future__ import annotations

import time
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from ..backends import Backend
from ..backends.peer import PeerBackend
from ..connections.connected import Connected
from ..engines.describe import describe_all
from ..router import Load, Offer
from ..wire import Condition, ModelInfo, Topology, TopologyEdge, TopologyNode
from .context import Context
from .messages import answer
from .nodes import Row

USER, ROUTER = "user", "router"


def table(context: Context) -> list[Row]:
    """The routes: method, path, handler."""

    async def show(request: Request) -> Response:
        return answer(topology(context))

    return [("GET", "/api/v1/topology", show)]


def topology(context: Context) -> Topology:
    """Everything that could be asked, switched off or away as well. On the node's loop; does not wait."""
    return _Drawing(context).draw()


class _Drawing:
    """One picture in the making."""

    def __init__(self, context: Context):
        self._context = context
        self._dispatcher = context.dispatcher
        self._status = context.status()
        self._now = time.monotonic()
        self._links = {link.backend.id: link for link in context.mesh.links.values()}
        self._own = {
            info.id: info for info in describe_all(context.library, context.runners, self._status.name)
        }
        self._loads: dict[str, list[Load]] = {}
        for (backend, _), load in self._dispatcher.loads.items():
            self._loads.setdefault(backend, []).append(load)
        self._models: list[TopologyNode] = []
        self._backends: list[TopologyNode] = []
        self._edges: list[TopologyEdge] = []

    def draw(self) -> Topology:
        offers: dict[str, list[Offer]] = {}
        for offer in self._dispatcher.table.offers:
            offers.setdefault(offer.backend, []).append(offer)
        for backend in self._dispatcher.backends.values():
            self._backend(backend, offers.get(backend.id, []))
        self._backends.sort(key=lambda node: (node.kind != "local", node.label, node.id))
        self._models.sort(key=lambda node: (node.label, node.id))
        counts = self._status.requests
        between = TopologyEdge(source=USER, target=ROUTER, state="healthy", in_flight=counts.in_flight)
        edges = sorted(self._edges, key=lambda edge: (edge.source != ROUTER, edge.source, edge.target))
        return Topology(
            at=time.time(),
            nodes=[self._user(), self._router(), *self._backends, *self._models],
            edges=[between, *edges],
        )

    # -- the ranks, from left to right

    def _user(self) -> TopologyNode:
        counts = self._status.requests
        return TopologyNode(
            id=USER,
            rank="user",
            label="You",
            state="healthy",
            total=counts.total,
            ok=counts.ok,
            failed=counts.failed,
            in_flight=counts.in_flight,
        )

    def _router(self) -> TopologyNode:
        status, counts = self._status, self._status.requests
        return TopologyNode(
            id=ROUTER,
            rank="router",
            label=status.name,
            state="healthy",
            reason="its own models take no new requests" if status.draining else None,
            url=status.url,
            fingerprint=status.fingerprint,
            uptime=status.uptime,
            total=counts.total,
            ok=counts.ok,
            failed=counts.failed,
            in_flight=counts.in_flight,
        )

    def _backend(self, backend: Backend, offers: list[Offer]) -> None:
        node = TopologyNode(id=f"backend:{backend.id}", rank="backend", label=backend.node, kind=backend.kind)
        if isinstance(backend, PeerBackend) and backend.id in self._links:
            self._peer(node, backend)
        elif isinstance(backend, Connected):
            self._connection(node, backend)
        elif backend.id == self._context.local.id:
            self._local(node)
        else:
            node.state, node.reason = _best(offers)
            node.latency = self._dispatcher.latencies.get(backend.id)
        models = {model.id: model for model in (self._model(node, offer) for offer in offers)}
        node.models = len(models)
        node.total = node.ok = node.failed = node.in_flight = 0
        for load in self._loads.get(backend.id, ()):
            _add(node, load)
        self._backends.append(node)
        self._models += models.values()
        self._edges.append(
            TopologyEdge(
                source=ROUTER,
                target=node.id,
                state=node.state,
                latency=node.latency,
                in_flight=node.in_flight or 0,
            )
        )
        self._edges += [
            TopologyEdge(source=node.id, target=model.id, state=model.state, in_flight=model.in_flight or 0)
            for model in models.values()
        ]

    def _local(self, node: TopologyNode) -> None:
        status = self._status
        node.url, node.fingerprint, node.uptime = status.url, status.fingerprint, status.uptime
        node.enabled = not status.draining
        states = {runner.state for runner in status.runners}
        unfit = next((engine.reason for engine in status.engines if not engine.available), None)
        if status.draining:
            node.state, node.reason = "disabled", "this node drains"
        elif not any(engine.available for engine in status.engines):
            node.state, node.reason = "unhealthy", unfit or "no engine can run here"
        elif not states or "ready" in states:
            node.state = "healthy"
        elif states <= {"failed"}:
            node.state = "unhealthy"
            node.reason = next((runner.error for runner in status.runners if runner.error), None)
        else:
            node.state, node.reason = "warming", "it loads a model"

    def _peer(self, node: TopologyNode, backend: PeerBackend) -> None:
        link = self._links[backend.id]
        where = [backend.address] if backend.address else [*link.peer.seen_at, *link.peer.addresses]
        node.url = f"https://{where[0]}" if where else None
        node.fingerprint, node.enabled = link.peer.fingerprint, backend.in_routing
        node.latency = link.presence.latency if link.presence.state == "online" else None
        if backend.in_routing:
            node.state, node.reason = backend.health, backend.reason
        else:
            node.state, node.reason = "disabled", "taken out of routing by its settings here"

    @staticmethod
    def _connection(node: TopologyNode, entry: Connected) -> None:
        connection, state = entry.connection, entry.state
        node.url, node.enabled, node.latency = connection.url, connection.enabled, state.latency
        if not connection.enabled:
            node.state, node.reason = "disabled", "switched off"
        elif not connection.in_routing:
            node.state, node.reason = "disabled", "taken out of routing by its settings"
        else:
            node.state, node.reason = state.state, None if state.state == "healthy" else state.reason

    def _model(self, backend: TopologyNode, offer: Offer) -> TopologyNode:
        own = self._own.get(offer.model) if offer.local else None
        state, reason = self._condition(offer, own)
        load = self._dispatcher.loads.get((offer.backend, offer.model))
        node = TopologyNode(
            id=f"model:{offer.backend}/{offer.model}",
            rank="model",
            label=offer.model,
            state=state,
            reason=reason,
            backend=backend.id,
            model_state=own.state if own is not None else offer.state,
            context_length=offer.context_length,
            quantization=offer.quantization,
            digest=offer.digest,
            total=0,
            ok=0,
            failed=0,
            in_flight=0,
        )
        if self._dispatcher.table.is_other(offer):
            node.reason = node.reason or self._dispatcher.table.difference(offer)
        if load is not None:
            _add(node, load)
            node.speed = load.speed
        return node

    def _condition(self, offer: Offer, own: ModelInfo | None) -> tuple[Condition, str | None]:
        if offer.health != "healthy":
            return offer.health, offer.reason
        state = own.state if own is not None else offer.state
        if state == "failed":
            return "unhealthy", (own.error if own is not None else None) or offer.reason
        breaker, why = self._dispatcher.breakers.look(offer.backend, offer.model, self._now)
        if breaker == "open":
            return "unhealthy", why
        if state == "loading":
            return "warming", "it is being loaded"
        return "healthy", None


def _best(offers: Iterable[Offer]) -> tuple[Condition, str | None]:
    """Of a backend that says nothing of itself: healthy where one of its models is."""
    states = {offer.health: offer.reason for offer in offers}
    if "healthy" in states:
        return "healthy", None
    return next(iter(states.items()), ("unknown", None))


def _add(node: TopologyNode, load: Load) -> None:
    over = load.ok + load.failed + load.cancelled
    node.total = (node.total or 0) + over + load.in_flight
    node.ok = (node.ok or 0) + load.ok
    node.failed = (node.failed or 0) + load.failed
    node.in_flight = (node.in_flight or 0) + load.in_flight
