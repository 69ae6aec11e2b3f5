"""The dashboard without a browser: as text for terminals, as static HTML for exported notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from .plain import clean, grouped

Table = tuple[str, Sequence[str], list[list[str]]]


def plain(view: dict[str, Any] | None, down: str | None) -> str:
    """The tables of the dashboard as text."""
    lines = [clean(down)] if down else []
    for title, heads, rows in _tables(view):
        cells = [list(heads), *rows]
        widths = [max(len(row[at]) for row in cells) for at in range(len(heads))]
        lines += [title, *("  " + _aligned(row, widths) for row in cells), ""]
    return "\n".join(lines).rstrip() or "No node."


def html(view: dict[str, Any] | None, down: str | None) -> str:
    """The same as static HTML; every value escaped."""
    parts = [f"<p>{escape(clean(down))}</p>"] if down else []
    for title, heads, rows in _tables(view):
        head = "".join(f'<th scope="col" style="text-align:left">{escape(name)}</th>' for name in heads)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in row) + "</tr>"
            for row in rows
        )
        caption = f'<caption style="text-align:left"><b>{title}</b></caption>'
        parts.append(f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    return "".join(parts)


def share(used: float | None, total: float | None = 1.0) -> str:
    """``used`` of ``total`` in percent."""
    return f"{100 * used / total:.0f} %" if used is not None and total else "–"


def _tables(view: dict[str, Any] | None) -> list[Table]:
    if view is None:
        return []
    names = {node["id"]: node["name"] for node in view["nodes"]}
    nodes = [
        [node["name"], node["kind"], _state(node), _ms(node["latency"]), *_resources(node["resources"])]
        for node in view["nodes"]
    ]
    models = [
        [
            model["id"],
            ", ".join(
                f"{names.get(id, id)}: {_place(place)}" for id, place in sorted(model["places"].items())
            ),
        ]
        for model in view["models"]
    ]
    counts = view["counts"]
    outcomes = ("total", "ok", "failed", "cancelled", "in_flight")
    asked = [
        [row["name"] or "nobody", *(grouped(row[key]) for key in ("requests", "ok", "failed", "cancelled"))]
        for row in view["by_node"]
    ]
    tables: list[Table] = [
        ("Nodes", ("node", "kind", "state", "latency", "CPU", "memory", "GPU"), nodes),
        ("Models", ("model", "where"), models),
        (
            "Requests since the start",
            ("requests", "ok", "failed", "cancelled", "in flight"),
            [[grouped(counts[name]) for name in outcomes]],
        ),
        ("Requests of the last 24 h", ("node", "requests", "ok", "failed", "cancelled"), asked),
    ]
    return [
        (title, heads, [[clean(str(cell)) for cell in row] for row in rows])
        for title, heads, rows in tables
        if rows
    ]


def _state(node: dict[str, Any]) -> str:
    return f"{node['state']} ({node['reason']})" if node["reason"] else str(node["state"])


def _place(place: dict[str, Any]) -> str:
    return str(place["model_state"]) if place["state"] == "healthy" else f"{place['state']}"


def _resources(resources: dict[str, Any] | None) -> list[str]:
    if resources is None:
        return ["–"] * 3
    gpus = ", ".join(f"{gpu['name']} {share(gpu['load'])}" for gpu in resources["gpus"] or ())
    return [
        share(resources["cpu"]),
        share(resources["memory_used"], resources["memory_total"]),
        gpus or "–",
    ]


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.0f} ms"


def _aligned(row: list[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
