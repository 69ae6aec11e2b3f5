"""A view as titled tables, for terminals and for notebooks without a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from .plain import clean

LONGEST = 60
"""Characters of a cell in a terminal."""
_LEFT = "text-align:left;vertical-align:top;overflow-wrap:anywhere"


class Section(NamedTuple):
    """A table under a title; without rows it says ``none``."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


def plain(title: str, sections: Sequence[Section], down: str | None = None) -> str:
    """The sections as text. ``down`` says why they may be old."""
    lines = [title, *([f"  ! {down}"] if down else [])]
    for section in sections:
        if not section.rows:
            lines.append(f"  {section.title}: none")
            continue
        lines.append(f"  {section.title}")
        rows = [[_cut(clean(cell)) for cell in row] for row in (section.headers, *section.rows)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append("    " + "  ".join(cells).rstrip())
    return "\n".join(map(clean, lines))


def html(title: str, sections: Sequence[Section], down: str | None = None) -> str:
    """The same as a static fragment: no script, and every value escaped."""
    parts = [f"<p><b>{_text(title)}</b></p>"]
    if down:
        parts.append(f"<p>{_text(down)}</p>")
    for section in sections:
        if not section.rows:
            parts.append(f"<p>{_text(section.title)}: none</p>")
            continue
        head = "".join(f'<th scope="col" style="{_LEFT}">{_text(name)}</th>' for name in section.headers)
        body = "".join(
            "<tr>" + "".join(f'<td style="{_LEFT}">{_text(cell)}</td>' for cell in row) + "</tr>"
            for row in section.rows
        )
        caption = f'<caption style="text-align:left">{_text(section.title)}</caption>'
        parts.append(f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    return "".join(parts)


def milliseconds(seconds: float | None) -> str:
    """A latency: ``3.2 ms``, or nothing."""
    return "" if seconds is None else f"{seconds * 1000:.1f} ms"


def reasoned(state: str, reason: str | None) -> str:
    """A state with its reason in brackets."""
    return f"{state} ({reason})" if reason else state


def _cut(cell: str) -> str:
    return cell if len(cell) <= LONGEST else cell[: LONGEST - 1] + "…"


def _text(value: str) -> str:
    return escape(clean(value))
