"""Text that strangers put on the network, made fit to be shown to people."""

from __future__ import annotations

import unicodedata

MARKS = 2
"""Combining marks kept in a row: more would let a name paint over its neighbours."""
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that count as letters or symbols but show as nothing."""


def clean(text: str, limit: int) -> str:
    """``text`` as one line of at most ``limit`` visible characters, possibly none.

    Control, bidirectional, zero-width, unassigned and private characters go; white space becomes single
    spaces. HTML stays what it is, text: whoever renders it escapes it.
    """
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text[: 8 * limit]):
        category = unicodedata.category(char)
        if category[0] == "Z" or char in "\t\r\n":
            if kept and kept[-1] != " ":
                kept.append(" ")
            marks = 0
        elif category[0] == "C" or char in _BLANK:
            continue
        elif category[0] == "M":
            if kept and kept[-1] != " " and marks < MARKS:
                kept.append(char)
                marks += 1
        else:
            kept.append(char)
            marks = 0
    return unicodedata.normalize("NFC", "".join(kept))[:limit].strip()


def cut(text: str, size: int) -> str:
    """``text`` cut to ``size`` bytes of UTF-8, never inside a character."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore").rstrip()
