"""How much a browser has to load for each widget."""

from __future__ import annotations

import gzip

from .group import BenchError
from .processes import ROOT
from .results import Cell, Figure, Table, aim, figure

STATIC = ROOT / "bago_jupyter" / "widgets" / "static"
MESH = 120
"""kB of JavaScript that the Mesh may have, not compressed."""


def tables() -> tuple[Table, list[list[Cell]]]:
    """Bytes of each bundle as built, and the aim. Raises :class:`BenchError` where nothing is built."""
    bundles = sorted(STATIC.glob("*.js"))
    if STATIC / "mesh.js" not in bundles:
        raise BenchError("the widgets are not built; run npm run build in js/")
    rows: list[list[Cell]] = []
    for path in bundles:
        script, style = path.read_bytes(), path.with_suffix(".css")
        look = style.read_bytes() if style.exists() else b""
        rows.append([f"`{path.stem}`", _kb(script), _packed(script), _kb(look), _packed(look)])
    caption = "Bundles, kB (1,000 bytes)"
    columns = ["widget", "script", "script, gzip", "style", "style, gzip"]
    mesh = _kb((STATIC / "mesh.js").read_bytes())
    return Table(caption=caption, columns=columns, rows=rows), [aim("`mesh`, script, kB", mesh, MESH)]


def _kb(content: bytes) -> Figure:
    return figure([len(content) / 1000], 1)


def _packed(content: bytes) -> Figure:
    return _kb(gzip.compress(content, 9) if content else b"")
