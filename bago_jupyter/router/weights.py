"""Which weights a name stands for, where nodes offer different ones under it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .offer import Offer

SHOWN = 12
"""Hex digits of a digest that people see."""


def short(digest: str) -> str:
    """``digest`` as people see it."""
    return digest.removeprefix("sha256:")[:SHOWN]


class Weights:
    """Elects, for each name, the digests that are one model under it. No clock and no I/O inside.

    This node's own weights win. Where it has none, those count that were there first: of the nodes that offer
    the name when it is first seen, the one that was paired before the others; and they stay, also when that
    node or this one comes back later, until that one offers other ones, or is not paired any more. A digest
    that is not known tells nothing apart; while that of an own file is being computed, only what was there
    before counts.
    """

    def __init__(self) -> None:
        self.joined: Mapping[str, Collection[str]] = {}
        """Digests that the owner has made one model, by its name: they count beside this node's own."""
        self.first: Mapping[str, tuple[str, str]] = {}
        """Of each name: the digest that was there first, and the backend that had it. It is never changed in
        place; whoever keeps it gives it back at the next start."""
        self.changed: Callable[[], None] = lambda: None
        """Called when :attr:`first` has changed."""
        self.settled = True
        """Whether every paired node is among the backends by now: only then one that is not is forgotten."""

    def elect(self, offers: Iterable[Offer], backends: Collection[str]) -> dict[str, frozenset[str]]:
        """The digests that each name of ``offers`` stands for, where any is known. ``backends`` are all that
        there are, those without an offer at present included."""
        names: defaultdict[str, list[Offer]] = defaultdict(list)
        catalogues: defaultdict[str, set[str]] = defaultdict(set)
        pending = set()
        for offer in offers:
            catalogues[offer.backend].add(offer.model)
            if offer.digest is not None:
                names[offer.model].append(offer)
            elif offer.local and offer.state != "failed":
                pending.add(offer.model)
        first = {
            name: (digest, backend)
            for name, (digest, backend) in self.first.items()
            if (backend in backends or not self.settled) and name in catalogues.get(backend, (name,))
        }
        elected = {
            name: self._stands_for(name, known, name in pending, first) for name, known in names.items()
        }
        if first != self.first:
            self.first = first
            self.changed()
        return elected

    def _stands_for(
        self, name: str, known: list[Offer], pending: bool, first: dict[str, tuple[str, str]]
    ) -> frozenset[str]:
        own = [offer.digest for offer in known if not offer.peer and offer.digest is not None]
        chosen = [*own, *self.joined.get(name, ())]
        if not chosen and pending:  # until this node's own are read, nobody new is taken for them
            return frozenset(first[name][:1] if name in first else ())
        return frozenset(chosen or [_trusted(name, known, first)])


def _trusted(name: str, known: list[Offer], first: dict[str, tuple[str, str]]) -> str:
    digests = {offer.backend: offer.digest or "" for offer in known}
    senior = min(known, key=lambda offer: (offer.since, offer.backend)).backend
    digest, backend = first.setdefault(name, (digests[senior], senior))
    if digest in digests.values():
        return digest
    if backend in digests:  # it has replaced its own
        first[name] = digests[backend], backend
        return digests[backend]
    return digests[senior]  # as long as the first one is away
