"""The mesh as one sees it from a node: who asks, what routes, who answers, with which models."""

from __future__ import annotations

from typing import Literal

from .base import Message

Rank = Literal["user", "router", "backend", "model"]
Condition = Literal["healthy", "warming", "unhealthy", "disabled", "unknown"]


class TopologyNode(Message):
    """One node of the picture. What does not apply to its rank is ``None``."""

    id: str
    """``user``, ``router``, ``backend:<backend id>`` or ``model:<backend id>/<model>``."""
    rank: Rank
    label: str
    state: Condition = "unknown"
    reason: str | None = None
    kind: str | None = None
    """Of a backend: ``local``, ``peer``, ``openai``, ``anthropic``, ``backend_ai_cluster``..."""
    url: str | None = None
    enabled: bool | None = None
    latency: float | None = None
    """Seconds of a round trip."""
    models: int | None = None
    """Of a backend: how many it has."""
    backend: str | None = None
    """Of a model: the id of the node of its backend."""
    model_state: str | None = None
    """Of a model: ``ready``, ``loading``, ``available`` or ``failed``."""
    context_length: int | None = None
    quantization: str | None = None
    digest: str | None = None
    fingerprint: str | None = None
    uptime: float | None = None
    total: int | None = None
    """Requests since the node started, here and below."""
    ok: int | None = None
    failed: int | None = None
    in_flight: int | None = None
    speed: float | None = None
    """Tokens per second that one request gets."""


class TopologyEdge(Message):
    """A way that requests take, from left to right."""

    source: str
    target: str
    state: Condition = "unknown"
    latency: float | None = None
    in_flight: int = 0


class Topology(Message):
    """All nodes and edges, the nodes by rank and name."""

    at: float
    nodes: list[TopologyNode]
    edges: list[TopologyEdge]
