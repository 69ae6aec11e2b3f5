"""The mesh as a graph to compute with, and as one to look at in ipycytoscape.

The module is not called as its functions are, which are names of the package too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .errors import BagoError
from .wire import Topology

if TYPE_CHECKING:
    import networkx

    from .client import NodeClient

RANKS = ("user", "router", "backend", "model")
COLUMN, LINE = 260.0, 54.0
"""Pixels between two ranks, and between two models."""
COLORS = {
    "healthy": "#2e7d32",
    "warming": "#b35c00",
    "unhealthy": "#c62828",
    "disabled": "#8a8a90",
    "unknown": "#8a8a90",
}
_SHAPES = {"user": "ellipse", "router": "round-diamond", "backend": "round-rectangle", "model": "round-tag"}


def topology(client: NodeClient | None = None) -> networkx.DiGraph[str]:
    """The mesh as one sees it from a node, the running one without ``client``.

    The fields of :class:`~bago_jupyter.wire.TopologyNode` and :class:`~bago_jupyter.wire.TopologyEdge` are
    attributes; those that are not known or do not apply are left out, so that every writer of networkx
    takes the graph. ``graph.graph["at"]`` is the Unix time of the picture. Raises :class:`BagoError`.
    """
    if client is None:
        from . import launch

        client = launch.node()
    return _digraph(client.topology())


def to_ipycytoscape(graph: networkx.DiGraph[str] | None = None) -> Any:
    """``graph``, or what :func:`topology` gives, as a widget: ranks from left to right, colours by state.

    Raises :class:`BagoError` where ipycytoscape is not installed.
    """
    try:
        import ipycytoscape
    except ImportError:
        raise BagoError(
            "to_ipycytoscape() needs ipycytoscape; run pip install 'bago-jupyter[cytoscape]'."
        ) from None
    graph = topology() if graph is None else graph
    widget = ipycytoscape.CytoscapeWidget()
    # Only what the style shows: its attributes reach a notebook's saved state.
    places = _places(graph)
    nodes = [
        {"data": {"id": id, "label": _label(fields), **_shown(fields)}, "position": places[id]}
        for id, fields in graph.nodes(data=True)
    ]
    edges = [
        {"data": {"source": source, "target": target, "label": _latency(fields), **_shown(fields)}}
        for source, target, fields in graph.edges(data=True)
    ]
    widget.graph.add_graph_from_json({"nodes": nodes, "edges": edges}, directed=True)
    widget.set_layout(name="preset", fit=True, padding=20)
    widget.set_style(_style())
    return widget


def _digraph(picture: Topology) -> networkx.DiGraph[str]:
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph(at=picture.at)
    for node in picture.nodes:
        graph.add_node(node.id, **_known(node, "id"))
    for edge in picture.edges:
        graph.add_edge(edge.source, edge.target, **_known(edge, "source", "target"))
    return graph


def _known(message: msgspec.Struct, *without: str) -> dict[str, Any]:
    fields = msgspec.structs.asdict(message)
    return {name: value for name, value in fields.items() if value is not None and name not in without}


def _places(graph: networkx.DiGraph[str]) -> dict[str, dict[str, float]]:
    """Where each node stands: models under each other by backend, every other in the middle of its own."""
    heights: dict[str, float] = {}
    lines = 0
    backends = [id for id, fields in graph.nodes(data=True) if fields.get("rank") == "backend"]
    for backend in backends:
        below = list(graph.successors(backend))
        for model in below:
            heights[model], lines = lines * LINE, lines + 1
        heights[backend] = sum(heights[model] for model in below) / len(below) if below else lines * LINE
        lines += not below
    middle = sum(heights[backend] for backend in backends) / len(backends) if backends else 0.0
    return {
        id: {"x": _rank(fields) * COLUMN, "y": heights.get(id, middle)}
        for id, fields in graph.nodes(data=True)
    }


def _rank(fields: dict[str, Any]) -> int:
    rank = fields.get("rank")
    return RANKS.index(rank) if rank in RANKS else len(RANKS)


def _shown(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in ("rank", "state") if name in fields}


def _label(fields: dict[str, Any]) -> str:
    text = str(fields.get("label", ""))
    return text if len(text) <= 40 else f"{text[:39]}…"


def _latency(fields: dict[str, Any]) -> str:
    seconds = fields.get("latency")
    return "" if seconds is None else f"{seconds * 1000:.0f} ms"


def _style() -> list[dict[str, Any]]:
    base: list[dict[str, Any]] = [
        {
            "selector": "node",
            "style": {
                "label": "data(label)",
                "color": "#707076",
                "font-size": 12,
                "text-valign": "bottom",
                "text-margin-y": 4,
                "background-color": COLORS["unknown"],
                "width": 26,
                "height": 26,
            },
        },
        {
            "selector": "edge",
            "style": {
                "label": "data(label)",
                "color": "#707076",
                "font-size": 10,
                "width": 2,
                "curve-style": "bezier",
                "target-arrow-shape": "triangle",
                "line-color": COLORS["unknown"],
                "target-arrow-color": COLORS["unknown"],
            },
        },
    ]
    base += [
        {"selector": f'node[rank = "{rank}"]', "style": {"shape": shape}} for rank, shape in _SHAPES.items()
    ]
    for state, color in COLORS.items():
        edge = {"line-color": color, "target-arrow-color": color}
        if state in ("disabled", "unknown"):
            edge["line-style"] = "dashed"
        base.append({"selector": f'node[state = "{state}"]', "style": {"background-color": color}})
        base.append({"selector": f'edge[state = "{state}"]', "style": edge})
    return base
