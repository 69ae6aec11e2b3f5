"""All that the magics show: text, dim notes, tables and outputs that change in place.

In a kernel everything has a rich form and a plain twin; in a terminal it is printed. Everything
that ends up in HTML is escaped here.
"""

from __future__ import annotations

import html
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

from ..text import calm
from .quiet import DIM, END

Bundle = dict[str, Any]


class Screen:
    """Where one shell shows things. Belongs to the thread that runs cells."""

    def __init__(self, ip: Any) -> None:
        self._ip = ip

    @property
    def rich(self) -> bool:
        """Whether a front end renders what is shown: a kernel, not a terminal."""
        return getattr(self._ip, "kernel", None) is not None

    def line(self, text: str) -> None:
        """A line of text."""
        print(clean(text))

    def dim(self, text: str) -> None:
        """A line that steps back."""
        if self.rich:
            self.publish(dim(text))
        elif sys.stdout.isatty():
            print(f"{DIM}{clean(text)}{END}")
        else:
            print(clean(text))

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table."""
        if self.rich:
            self.publish(table(headers, rows))
        else:
            print(clean(plain_table(headers, rows)))

    def show(self, value: object) -> None:
        """Any object with its own representation, such as a widget."""
        from IPython.display import display

        display(value)  # type: ignore[no-untyped-call]

    def publish(self, bundle: Bundle, display_id: str | None = None, *, update: bool = False) -> None:
        """A MIME bundle, under ``display_id`` if it is to change later."""
        transient = {"display_id": display_id} if display_id else None
        self._ip.display_pub.publish(data=bundle, metadata={}, transient=transient, update=update)

    def live(self, rate: float) -> Live:
        """An output that changes in place up to ``rate`` times a second (kernel only)."""
        return Live(self, rate)

    def next_cell(self, code: str) -> None:
        """Offer ``code`` as the next cell, where there are cells."""
        if self._ip is not None:
            self._ip.set_next_input(code, replace=False)


class Live:
    """One output that changes in place."""

    def __init__(self, screen: Screen, rate: float) -> None:
        self._screen = screen
        self._interval = 1 / rate
        self._id = uuid.uuid4().hex
        self._shown = False
        self._next = 0.0

    def due(self, weight: float = 0.0) -> bool:
        """Whether an update would be shown now; ``weight`` in bytes slows large outputs down."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + max(self._interval, weight / 250_000)
        return True

    def update(self, bundle: Bundle) -> None:
        """Show ``bundle`` in place of what was shown."""
        self._screen.publish(bundle, self._id, update=self._shown)
        self._shown = True


def clean(text: str) -> str:
    """``text`` without the control characters that a terminal would obey (OSC 52 and the like)."""
    return calm(text)


def holds(text: str) -> bool:
    """Whether the encoding of the output has every character of ``text``."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def dim(text: str) -> Bundle:
    """A dim line as a bundle."""
    style = "opacity:.65;font-size:85%"
    return {"text/plain": text, "text/html": f'<div style="{style}">{html.escape(text)}</div>'}


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> Bundle:
    """A table as a bundle."""
    head = "".join(f"<th>{html.escape(header)}</th>" for header in headers)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    rich = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return {"text/plain": plain_table(headers, rows), "text/html": rich}


def plain_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in aligned columns."""
    lines = [[str(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def size(count: float | None) -> str:
    """Bytes for people, in powers of 1000 as disks and downloads are sold."""
    return "" if count is None else _scaled(count, ("B", "kB", "MB", "GB", "TB"), " ")


def quantity(count: float | None) -> str:
    """A large number for people: 134515008 is ``135M``."""
    return "" if count is None else _scaled(count, ("", "K", "M", "B", "T"), "")


def _scaled(value: float, units: tuple[str, ...], gap: str) -> str:
    step = 0
    while step + 1 < len(units) and round(value, 0 if value >= 99.5 else 1) >= 1000:
        value, step = value / 1000, step + 1
    digits = f"{value:.0f}" if value >= 99.5 or step == 0 else f"{value:.1f}".removesuffix(".0")
    return f"{digits}{gap}{units[step]}".strip()


def seconds(value: float | None) -> str:
    """A duration for people."""
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def age(value: float | None) -> str:
    """A span that went by, in its largest unit."""
    if value is None:
        return ""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= unit:
            return f"{value / unit:.0f} {name}"
    return f"{value:.0f} s"


def left(until: float) -> str:
    """How long it is to a Unix time."""
    return age(max(0.0, until - time.time()))


def fingerprint(of: Any) -> str:
    """The first 8 digits of the fingerprint of a node or a request."""
    return str(of.fingerprint).removeprefix("fp_")[:8]
