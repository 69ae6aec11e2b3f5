"""Names of models as people and other software spell them."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterable

LATEST = ":latest"
"""The tag that Ollama and its clients put behind a name without one."""

MOST = 256
LONGEST = 128
"""Names, and characters of one, that are compared with what was meant: peers may have thousands."""


def bare(name: str) -> str:
    """What two names have in common that mean the same: neither case nor ``:latest`` tells them apart."""
    return name.casefold().removesuffix(LATEST)


class Names:
    """Names that can be asked for, found by one that is spelt otherwise. Immutable.

    ``own`` are those of this node itself: what peers call theirs takes none of these.
    """

    def __init__(self, names: Iterable[str], own: Collection[str] = frozenset()):
        self._own = own
        self._alike: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            self._alike.setdefault(bare(name), []).append(name)

    def only(self, name: str) -> str | None:
        """The one that ``name`` can only mean; ``None`` where there is none, or more than one."""
        alike = self._alike.get(bare(name), [])
        alike = [known for known in alike if known in self._own] or alike
        alike = [known for known in alike if known.casefold() == name.casefold()] or alike
        return alike[0] if len(alike) == 1 else None

    def near(self, name: str) -> str | None:
        """The one that was probably meant, of the first :data:`MOST` and as long as names of people are."""
        if len(name) > LONGEST:
            return None
        known = [alike for alike in itertools.islice(self._alike, MOST) if len(alike) <= LONGEST]
        found = difflib.get_close_matches(bare(name), known, n=1)
        return self._alike[found[0]][0] if found else None
