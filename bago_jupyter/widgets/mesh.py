"""The Mesh: who asks, what routes, who answers with which models; live in a cell."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from ..client import AsyncNodeClient, NodeClient
from ..errors import BagoError, InvalidRequest
from ..events import AnyEvent, RequestEnded, RequestMoved, RequestStarted
from ..wire import Outcome, Topology
from . import picture
from .base import bundle
from .live import LiveView

_CLOCK = ("uptime",)
"""What changes by itself; the page counts on."""


class MeshView(LiveView):
    """A live picture of the mesh as the node of ``client`` sees it.

    Selecting, searching, zooming and going back in time happen in the browser, so they work while a cell
    blocks the kernel.
    """

    _esm = bundle("mesh.js")
    _css = bundle("mesh.css")

    def gather(self, client: NodeClient) -> Any:
        view = msgspec.to_builtins(client.topology())
        # A picture that is the same but for its clocks is not sent again.
        return self._view if self._view is not None and _calm(self._view) == _calm(view) else view

    def passing(self, event: AnyEvent) -> dict[str, Any] | None:
        match event:
            case RequestStarted(id=id, backend=backend, target=target):
                return _told("started", id, backend, target)
            case RequestMoved(id=id, backend=backend, target=target, outcome=outcome, detail=detail):
                return _told("moved", id, backend, target, outcome, detail)
            case RequestEnded(id=id, backend=backend, target=target, outcome=outcome, detail=detail):
                ok = event.verdict == "ok"
                if outcome == "ok" and not ok:
                    detail = f"HTTP {event.status}"
                return _told("ended", id, backend, target, outcome, detail, ok)
        return None

    async def respond(self, kind: str, request: dict[str, Any]) -> Any:
        """``refresh`` tests every way out of this node, ``check`` the one to the backend ``node``.

        Both answer how many were ``checked`` and which ``failed``, with ``name`` and ``reason``.
        """
        client = await self.client()
        if kind == "refresh":
            return await _check_all(client)
        if kind == "check":
            return await _check(client, str(request.get("node")))
        return await super().respond(kind, request)

    def plain(self) -> str:
        return picture.plain(self._topology(), self._down)

    def html(self) -> str:
        return picture.html(self._topology(), self._down)

    def _topology(self) -> Topology | None:
        return None if self._view is None else msgspec.convert(self._view, Topology)


def _told(
    event: str,
    id: str,
    backend: str | None,
    target: str | None,
    outcome: Outcome | None = None,
    detail: str | None = None,
    ok: bool | None = None,
) -> dict[str, Any]:
    return {
        "event": event,
        "id": id,
        "backend": None if backend is None else f"backend:{backend}",
        "model": None if backend is None or target is None else f"model:{backend}/{target}",
        "outcome": outcome,
        "detail": detail,
        "ok": ok,
    }


def _calm(view: dict[str, Any]) -> Any:
    nodes = [{name: value for name, value in node.items() if name not in _CLOCK} for node in view["nodes"]]
    return nodes, view["edges"]


async def _check_all(client: AsyncNodeClient) -> dict[str, Any]:
    peers, connections = await asyncio.gather(client.nodes(), client.check_connections())
    reached = await asyncio.gather(*(_reach(client, peer.fingerprint) for peer in peers))
    tested = [(peer.name, reason) for peer, reason in zip(peers, reached, strict=True)]
    tested += [(found.name, found.error) for found in connections if found.enabled]
    return _checked(tested)


async def _check(client: AsyncNodeClient, node: str) -> dict[str, Any]:
    topology = await client.topology()
    backend = next((known for known in topology.nodes if known.id == node and known.rank == "backend"), None)
    if backend is None:
        raise InvalidRequest(
            f"There is no backend {node!r} any more; the picture shows those that there are."
        )
    if backend.kind == "local":
        return _checked([(backend.label, backend.reason if backend.state == "unhealthy" else None)])
    if backend.kind == "peer":
        return _checked([(backend.label, await _reach(client, str(backend.fingerprint)))])
    found = await client.check_connection(backend.label)
    return _checked([(found.name, found.error)])


async def _reach(client: AsyncNodeClient, fingerprint: str) -> str | None:
    """Why a paired node does not answer, ``None`` where it does."""
    try:
        await client.ping(fingerprint)
    except BagoError as error:
        return error.message
    return None


def _checked(tested: list[tuple[str, str | None]]) -> dict[str, Any]:
    failed = [{"name": name, "reason": reason} for name, reason in tested if reason]
    return {"checked": len(tested), "failed": failed}
