"""Weights that the owner has made one model: builds of it for other engines have other digests.

``joined.json`` in the home keeps them, by the name under which they are offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ..errors import InvalidRequest, NotFound, Overloaded
from ..router import Table
from ..router.weights import short
from ..state import Home

FILE = "joined.json"
LEAST = 6
"""Hex digits that name a digest."""
LIMIT = 1000
"""Names of one home."""


class Joined:
    """The joined digests of one home. Belongs to the node's loop."""

    def __init__(self, home: Home):
        self._home = home
        self._names = (
            home.load(FILE, _read, lost="no weights are one model until they are joined again") or {}
        )

    def all(self) -> Mapping[str, tuple[str, ...]]:
        """Every name and its digests; a copy that does not change."""
        return dict(self._names)

    def join(self, name: str, digests: Iterable[str], table: Table) -> tuple[str, ...]:
        """Make ``digests``, of which the first digits will do, and what ``name`` stands for one model;
        without any they are told apart again. All that are one now.

        Raises :class:`InvalidRequest` and :class:`NotFound`.
        """
        offered = {offer.digest: None for offer in table.offers if offer.model == name and offer.digest}
        if not offered and name not in self._names:
            raise NotFound(f"No node offers a model {name!r} whose weights are known.", param="model")
        wanted = [_find(digest, name, list(offered)) for digest in digests]
        names = {other: known for other, known in self._names.items() if other != name}
        if wanted:
            if len(names) >= LIMIT:
                raise Overloaded(f"There are {LIMIT} joined models; tell some apart first.")
            stands_for = [digest for digest in offered if digest in table.weights(name)]
            names[name] = tuple(dict.fromkeys([*self._names.get(name, ()), *stands_for, *wanted]))
        self._home.write(FILE, msgspec.json.encode(names))
        self._names = names
        return names.get(name, ())


def _find(digits: str, name: str, offered: list[str]) -> str:
    bare = digits.strip().casefold().removeprefix("sha256:")
    found = [digest for digest in offered if digest.casefold().removeprefix("sha256:").startswith(bare)]
    if len(bare) >= LEAST and len(found) == 1:
        return found[0]
    known = ", ".join(map(short, offered))
    raise InvalidRequest(f"{digits[:80]!r} names no weights of {name}; there are {known}.", param="digests")


def _read(data: bytes) -> dict[str, tuple[str, ...]]:
    return msgspec.json.decode(data, type=dict[str, tuple[str, ...]])
