"""QR codes of connection keys. Whoever sees one can pair: show it like the key itself."""

from __future__ import annotations

import io
from typing import Any


def qr_svg(text: str, *, scale: int = 4) -> str:
    """``text`` as an SVG element, black on white with its quiet zone, ``scale`` pixels a module."""
    out = io.BytesIO()
    _make(text).save(out, kind="svg", scale=scale, xmldecl=False, light="white", border=4)
    return out.getvalue().decode("utf-8")


def qr_png(text: str, *, scale: int = 4) -> bytes:
    """``text`` as a PNG image."""
    out = io.BytesIO()
    _make(text).save(out, kind="png", scale=scale, border=4)
    return out.getvalue()


def qr_text(text: str) -> str:
    """``text`` for a terminal, two modules a character; white on black and black on white both scan."""
    out = io.StringIO()
    _make(text).terminal(out, border=2, compact=True)
    return out.getvalue()


def _make(text: str) -> Any:
    import segno

    return segno.make(text, error="l", boost_error=True, micro=False)
