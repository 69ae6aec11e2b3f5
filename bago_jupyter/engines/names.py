"""What a model may be called, and how to write what cannot be shown."""

from __future__ import annotations

LONGEST = 512
"""Characters of an id; the nodes of a mesh take no longer ones from each other."""


def shown(text: str) -> str:
    """``text`` with everything that is not printable escaped.

    Python keeps the bytes of a file name that is not UTF-8 as lone surrogates, which no encoder takes; and a
    name may hold escape sequences for the terminal that it is printed to.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def word(text: str | None) -> str | None:
    """A short text out of a file, as it may be shown and told to others; ``None`` where there is none."""
    return shown(text[:LONGEST])[:LONGEST] if text else None


def unusable(id: str) -> str | None:
    """Why ``id`` cannot be the id of a model, as the end of a sentence; ``None`` where it can."""
    if any("\ud800" <= character <= "\udfff" for character in id):
        return "has a name that is not UTF-8; rename it"
    if not id.isprintable():
        return "has a name with characters that cannot be shown; rename it"
    if len(id) > LONGEST:
        return f"has a name of {len(id)} characters with its folders; at most {LONGEST} are possible"
    return None


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
