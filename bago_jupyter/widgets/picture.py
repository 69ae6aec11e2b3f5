"""The mesh without a browser: a tree for terminals, a drawing and a table for exported notebooks."""

from __future__ import annotations

import re
from base64 import b64encode
from html import escape

from ..wire import Topology, TopologyEdge, TopologyNode
from . import sections
from .plain import clean, duration, grouped
from .sections import Section, milliseconds, reasoned

MANY = 12
"""Models of a backend beyond this are counted, not listed."""
_WIDTH, _HEIGHT, _GAP, _RANK = 176, 34, 8, 250
_COLOURS = {"healthy": "#2e7d32", "warming": "#b35c00", "unhealthy": "#c62828"}
_OTHER = "#757575"
_NOT_XML = re.compile("[\ufffe\uffff\ud800-\udfff]")


def plain(topology: Topology | None, down: str | None = None) -> str:
    """The mesh as a text tree. ``down`` says why the node cannot be reached; the tree is its last word."""
    if topology is None:
        return clean(down or "No mesh.")
    lines = [f"! {down}"] if down else []
    ways = {(edge.source, edge.target): edge for edge in topology.edges}
    lines += [user.label for user in _of(topology, "user")]
    for router in _of(topology, "router"):
        lines.append(f"└─ {_cut(router.label)}  {', '.join(_facts(router))}")
        backends = _of(topology, "backend")
        for backend in backends:
            last = backend is backends[-1]
            way = ways.get((router.id, backend.id))
            facts = ", ".join(_facts(backend, way))
            lines.append(f"   {'└' if last else '├'}─ {_cut(backend.label)}  {facts}")
            lines += [f"   {' ' if last else '│'}  {line}" for line in _leaves(topology, backend)]
    return "\n".join(map(clean, lines))


def html(topology: Topology | None, down: str | None = None) -> str:
    """The mesh as a static drawing and a table: no script, and every value escaped."""
    if topology is None:
        return sections.html(down or "No mesh.", [])
    rows = [
        (
            backend.label,
            backend.kind or "",
            reasoned(backend.state, backend.reason),
            milliseconds(backend.latency),
            ", ".join(model.label for model in _models(topology, backend)[:MANY]) + _more(topology, backend),
        )
        for backend in _of(topology, "backend")
    ]
    router = next(iter(_of(topology, "router")), None)
    title = f"Mesh of {router.label}: {', '.join(_facts(router))}" if router else "Mesh"
    table = Section("Backends", ("backend", "type", "state", "latency", "models"), rows)
    return _image(drawing(topology)) + sections.html(title, [table], down)


def _image(svg: str) -> str:
    # Sanitisers, as JupyterLab's for a notebook that it does not trust, strip an inline SVG to its bare text.
    source = b64encode(svg.encode()).decode()
    alt = "Drawing of the mesh; the table says the same."
    return f'<img alt="{alt}" src="data:image/svg+xml;base64,{source}" style="max-width:100%">'


def drawing(topology: Topology) -> str:
    """The four ranks as an SVG document, which is well-formed whatever names are."""
    places: dict[str, tuple[float, float]] = {}
    parts: list[str] = []
    top = 0.0
    cards: list[tuple[TopologyNode, str]] = []
    for backend in _of(topology, "backend"):
        models = _models(topology, backend)
        shown = models if len(models) <= MANY else []
        rows = max(1, len(shown) or bool(models))
        places[backend.id] = (2 * _RANK, top + (rows - 1) * (_HEIGHT + _GAP) / 2)
        cards.append((backend, backend.label))
        for at, model in enumerate(shown):
            places[model.id] = (3 * _RANK, top + at * (_HEIGHT + _GAP))
            cards.append((model, model.label))
        if models and not shown:
            group = TopologyNode(id=f"group:{backend.id}", rank="model", label="", state=backend.state)
            places[group.id] = (3 * _RANK, top)
            cards.append((group, f"{grouped(len(models))} models"))
            parts.append(_line(places[backend.id], places[group.id], backend.state))
        top += rows * (_HEIGHT + _GAP) + _GAP
    height = max(top - _GAP, _HEIGHT + _GAP)
    for rank, x in (("user", 0), ("router", _RANK)):
        for node in _of(topology, rank):
            places[node.id] = (x, (height - _HEIGHT - _GAP) / 2)
            cards.append((node, node.label))
    parts += [
        _line(places[edge.source], places[edge.target], edge.state)
        for edge in topology.edges
        if edge.source in places and edge.target in places
    ]
    parts += [_card(places[node.id], label, node.state) for node, label in cards]
    width, height = 3 * _RANK + _WIDTH + 8, height + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}" '
        f'viewBox="-4 -4 {width} {height:g}" fill="#1c1c1e">'
        f'<rect x="-4" y="-4" width="{width}" height="{height:g}" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _line(start: tuple[float, float], end: tuple[float, float], state: str) -> str:
    x0, y0, x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT / 2, end[0], end[1] + _HEIGHT / 2
    bend = (x1 - x0) / 2
    dash = ' stroke-dasharray="5 4"' if state in ("disabled", "unknown") else ""
    return (
        f'<path d="M{x0:g} {y0:g}C{x0 + bend:g} {y0:g} {x1 - bend:g} {y1:g} {x1:g} {y1:g}" fill="none" '
        f'stroke="{_COLOURS.get(state, _OTHER)}" stroke-width="1.5"{dash}/>'
    )


def _card(place: tuple[float, float], label: str, state: str) -> str:
    x, y = place
    shown = escape(_NOT_XML.sub("\ufffd", clean(_cut(label, 24))))
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="7" fill="#fff" '
        f'stroke="{_COLOURS.get(state, _OTHER)}"/>'
        f'<text x="{x + 10:g}" y="{y + 22:g}" font-family="sans-serif" font-size="12">{shown}</text>'
    )


def _of(topology: Topology, rank: str) -> list[TopologyNode]:
    return [node for node in topology.nodes if node.rank == rank]


def _models(topology: Topology, backend: TopologyNode) -> list[TopologyNode]:
    return [node for node in topology.nodes if node.rank == "model" and node.backend == backend.id]


def _cut(label: str, longest: int = sections.LONGEST) -> str:
    return label if len(label) <= longest else label[: longest - 1] + "…"


def _leaves(topology: Topology, backend: TopologyNode) -> list[str]:
    models = _models(topology, backend)
    lines = [f"{_cut(model.label)}  {', '.join(_facts(model))}" for model in models[:MANY]]
    if len(models) > MANY:
        lines.append(f"and {grouped(len(models) - MANY)} more")
    return [f"{'└' if at == len(lines) - 1 else '├'}─ {line}" for at, line in enumerate(lines)]


def _more(topology: Topology, backend: TopologyNode) -> str:
    rest = len(_models(topology, backend)) - MANY
    return f" and {grouped(rest)} more" if rest > 0 else ""


def _facts(node: TopologyNode, way: TopologyEdge | None = None) -> list[str]:
    if node.rank == "router":
        up = [] if node.uptime is None else [f"up {duration(node.uptime)}"]
        counts = (("requests", node.total), ("ok", node.ok), ("failed", node.failed))
        return up + [f"{grouped(count)} {name}" for name, count in counts if count is not None]
    if node.rank == "backend":
        latency = milliseconds(way.latency if way is not None else node.latency)
        return [*filter(None, [node.kind, reasoned(node.state, node.reason), latency])]
    state = node.model_state if node.state == "healthy" and node.model_state else node.state
    return [reasoned(state, node.reason)]
