"""The dashboard: models, machines, requests and health of the whole mesh, now and over time."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from ..client import NodeClient
from ..wire import NodeInfo, StatsRow, StatsSeries, Status, Topology, TopologyNode
from . import dashboardtext
from .base import bundle
from .live import LiveView

SPANS = {900: 15, 3600: 60, 86400: 96}
"""Seconds that the plots look back, and the points of each."""
DAY = 86400.0
PAST = 60.0
"""Seconds after which what is over is read again although nothing was asked meanwhile."""
MOST_ROWS = 50


class DashboardView(LiveView):
    """All of the mesh as the node that ``client`` speaks to sees it.

    It follows the node for as long as a browser shows it. The plots of every span are in the state, so that
    they can be looked at in a saved notebook too.
    """

    _esm = bundle("dashboard.js")
    _css = bundle("dashboard.css")

    def __init__(self, client: NodeClient, **traits: Any):
        self._past: dict[str, Any] = {}
        self._past_of: tuple[int, ...] = ()
        self._past_at = float("-inf")
        super().__init__(client, **traits)

    def gather(self, client: NodeClient) -> dict[str, Any]:
        status, picture = client.status(), client.topology()
        peers = {node.fingerprint: node for node in client.nodes()}
        backends = [node for node in picture.nodes if node.rank == "backend"]
        return {
            "name": status.name,
            "nodes": [_node(node, status, peers) for node in backends],
            "models": _models(picture),
            "counts": msgspec.to_builtins(status.requests),
            **self._over(client, status),
        }

    def plain(self) -> str:
        return dashboardtext.plain(self._view, self._down)

    def html(self) -> str:
        return dashboardtext.html(self._view, self._down)

    def _over(self, client: NodeClient, status: Status) -> dict[str, Any]:
        """What is over; it changes only with the number of requests, and with time."""
        counts, now = status.requests, time.monotonic()
        of = (counts.ok, counts.failed, counts.cancelled)
        if of != self._past_of or now - self._past_at >= PAST:
            self._past = {
                "by_node": [_row(row, row.node) for row in client.stats(("node",), DAY)[:MOST_ROWS]],
                "by_model": [_row(row, row.model) for row in client.stats(("model",), DAY)[:MOST_ROWS]],
                "spans": [
                    _span(seconds, client.series((), seconds, points)) for seconds, points in SPANS.items()
                ],
            }
            self._past_of, self._past_at = of, now
        return self._past


def _node(node: TopologyNode, status: Status, peers: dict[str, NodeInfo]) -> dict[str, Any]:
    peer = peers.get(node.fingerprint or "")
    local = node.kind == "local"
    resources = status.resources if local else peer.resources if peer is not None else None
    version = status.version if local else peer.version if peer is not None else None
    return {
        "id": node.id,
        "name": node.label,
        "kind": node.kind,
        "state": node.state,
        "reason": node.reason,
        "latency": _short(node.latency),
        "version": version,
        "models": node.models,
        "in_flight": node.in_flight,
        "resources": msgspec.to_builtins(resources),
    }


def _models(picture: Topology) -> list[dict[str, Any]]:
    """Each model with where it is, by the id of the backend."""
    found: dict[str, dict[str, Any]] = {}
    for node in picture.nodes:
        if node.rank == "model" and node.backend is not None:
            place = {"model_state": node.model_state, "state": node.state, "reason": node.reason}
            found.setdefault(node.label, {})[node.backend] = place
    return [{"id": model, "places": places} for model, places in sorted(found.items())]


def _row(row: StatsRow, name: str | None) -> dict[str, Any]:
    return {
        "name": name or "",
        "requests": row.requests,
        "ok": row.ok,
        "failed": row.failed,
        "cancelled": row.cancelled,
        "tokens": row.prompt_tokens + row.completion_tokens,
        "p50": _short(row.latency_p50),
        "p95": _short(row.latency_p95),
    }


def _span(seconds: int, series: list[StatsSeries]) -> dict[str, Any]:
    line = series[0] if series else None
    if line is None:
        return {"seconds": seconds, "start": 0, "step": 1, "last": 1, "points": {}}
    begun = line.start + line.step * (len(line.requests) - 1)
    return {
        "seconds": seconds,
        "start": line.start,
        "step": line.step,
        "last": max(1.0, min(line.step, round(time.time() - begun))),
        "points": {
            "requests": line.requests,
            "failed": line.failed,
            "tokens": line.completion_tokens,
            "speed": [_short(value) for value in line.tokens_per_second],
            "p50": [_short(value) for value in line.latency_p50],
            "p95": [_short(value) for value in line.latency_p95],
        },
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
