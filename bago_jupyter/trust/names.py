"""Names of nodes as strangers send them."""

from __future__ import annotations

import unicodedata

LONGEST = 63
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean(name: str) -> str:
    """``name`` fit to be shown: control, bidirectional and invisible characters gone, at most 63 long.

    What displays it as HTML must still escape it. An empty name becomes ``unnamed``.
    """
    shown = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", name[: 4 * LONGEST])
        if character.isspace() or unicodedata.category(character) not in _HIDDEN
    )
    return " ".join(shown.split())[:LONGEST].rstrip() or "unnamed"
