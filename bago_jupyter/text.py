"""Text of strangers, made fit to be kept and shown.

A terminal, a log and a page obey control characters, and a second line passes for one of ours. So they go
where a text enters, whoever shows it later. HTML stays what it is, text: whoever renders it escapes it.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_WORD = 128
"""Characters of one word of a stranger: a digest, a quantisation, an architecture, a GPU's name."""
MARKS = 2
"""Combining marks kept in a row: more would let a name paint over its neighbours."""
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that count as letters or symbols but show as nothing."""
_OBEYED = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff"
"""C0, DEL, C1, line separators, what turns the direction of its neighbours, and halves of characters."""
_CONTROL = re.compile(f"[{_OBEYED}]")
_BREAK = re.compile(r"[\t-\r\x85\u2028\u2029][ \t-\r\x85\u2028\u2029]*")


def plain(text: str) -> str:
    """``text`` as one line without control characters: breaks and tabs become single spaces."""
    if text.isprintable():  # nearly all are
        return text
    return _CONTROL.sub("", _BREAK.sub(" ", text)).strip()


def calm(text: str) -> str:
    """``text`` with its lines and tabs, and without other control characters."""
    return text if text.isprintable() else _CONTROL.sub("", text)


def clean(text: str, limit: int) -> str:
    """``text`` as a label: one line of at most ``limit`` visible characters, possibly none.

    Control, bidirectional, zero-width, unassigned and private characters go; white space becomes single
    spaces.
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
