"""``ui`` and ``topology``: the mesh to look at, and as a tree of text."""

from __future__ import annotations

from ... import launch
from ...wire import Topology, TopologyNode
from ..parse import Given, suggest
from ..quiet import Usage
from ..session import Session
from ..show import age, seconds

_ORDER = {"user": 0, "router": 1, "backend": 2, "model": 3}


def ui(session: Session, given: Given) -> None:
    """The views in tabs, or one of them alone."""
    from ... import tabs

    if given.argument and given.argument.lower() not in tabs.TABS:
        raise Usage(f"There is no tab {given.argument!r}. {suggest(given.argument, tabs.TABS)}")
    client = launch.node()
    if not session.screen.rich:
        raise Usage("The views need a notebook; bago-jupyter topology shows the mesh as text.")
    session.screen.show(tabs.ui(given.argument or None, client))


def topology(session: Session, given: Given) -> None:
    """Who asks, what routes, who answers, with which models."""
    session.screen.line("\n".join(tree(launch.node().topology())))


def tree(picture: Topology) -> list[str]:
    """``picture`` as lines, each indented under what leads to it."""
    nodes = {node.id: node for node in picture.nodes}
    below: dict[str, list[str]] = {}
    for edge in picture.edges:
        below.setdefault(edge.source, []).append(edge.target)
    lines: list[str] = []

    def add(id: str, head: str, rest: str) -> None:
        lines.append(head + _line(nodes[id]))
        children = sorted(below.get(id, ()), key=lambda child: list(nodes).index(child))
        for number, child in enumerate(children):
            last = number == len(children) - 1
            add(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    for node in picture.nodes:
        if node.rank == "user":
            add(node.id, "", "")
    return lines


def _line(node: TopologyNode) -> str:
    if node.rank == "user":
        return node.label
    parts = [node.label]
    if node.rank == "router":
        parts.append(f"router, up {age(node.uptime)}")
    elif node.rank == "backend":
        parts += [node.kind or "", node.state, seconds(node.latency)]
    else:
        parts += [node.model_state or "", node.state if node.state != "healthy" else ""]
    if node.rank != "model" or node.total:
        parts.append(f"{node.total or 0} requests, {node.failed or 0} failed")
    if node.reason:
        parts.append(f"({node.reason})")
    return "  ".join(part for part in parts if part)
