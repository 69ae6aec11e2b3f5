"""What nodes are called here, where several have the same name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..backends import Dispatcher
from ..backends.peer import PeerBackend

if TYPE_CHECKING:
    from .link import Link

DIGITS = 8
"""Hex digits of a fingerprint that tell nodes of one name apart."""

KEY = 32
"""Hex digits by which it is known to whoever counts: too many to find a second fingerprint with the same."""


def distinct(name: str, fingerprint: str) -> str:
    """``name`` with the first digits of the fingerprint."""
    return f"{name}-{fingerprint.removeprefix('fp_')[:DIGITS]}"


def shown(peers: Mapping[str, str], taken: Iterable[str]) -> dict[str, str]:
    """What each of ``peers`` (names by fingerprint) is called, given the names that are ``taken``: those of
    this node and of its connections, which no peer takes from them.

    Names that differ by case alone are the same one.
    """
    counts = Counter(name.casefold() for name in [*peers.values(), *set(taken)])
    clashing = {fingerprint for fingerprint, name in peers.items() if counts[name.casefold()] > 1}
    made = {distinct(peers[fingerprint], fingerprint).casefold() for fingerprint in clashing}
    return {
        fingerprint: distinct(name, fingerprint)
        if fingerprint in clashing or name.casefold() in made
        else name
        for fingerprint, name in peers.items()
    }


class Naming:
    """Calls every node of ``links`` (by fingerprint) so that it is told from all others. Belongs to the
    node's loop."""

    def __init__(self, dispatcher: Dispatcher, links: Mapping[str, Link]):
        self._dispatcher = dispatcher
        self._links = links

    def renew(self) -> None:
        """A name may have changed, of whomever."""
        names = shown({fp: link.peer.name for fp, link in self._links.items()}, self._own())
        changed = [link for fp, link in self._links.items() if link.backend.node != names[fp]]
        for link in changed:
            link.backend.node = names[link.peer.fingerprint]
        if changed:
            self._dispatcher.refresh()

    def called(self, fingerprint: str, name: str) -> str:
        """What a node that calls itself ``name`` is called here, paired or not."""
        link = self._links.get(fingerprint)
        if link is not None:
            return link.backend.node
        known = {name for link in self._links.values() for name in (link.backend.node, link.peer.name)}
        clashes = name.casefold() in {taken.casefold() for taken in known.union(self._own())}
        return distinct(name, fingerprint) if clashes else name

    def caller(self, caller: str) -> str:
        """``caller`` for people: a peer by what it is called, and one that is gone by its first digits."""
        kind, _, digits = caller.partition(":")
        if kind != "peer":
            return caller
        found = (link.backend.node for fp, link in self._links.items() if key_of(fp) == digits)
        return f"peer:{next(found, digits[:DIGITS] if len(digits) == KEY else digits)}"

    def _own(self) -> list[str]:
        """Names of this node and its connections."""
        backends = self._dispatcher.backends.values()
        return [backend.node for backend in backends if not isinstance(backend, PeerBackend)]


def key_of(fingerprint: str) -> str:
    """What stands for a node where it is counted, whatever it calls itself."""
    return fingerprint.removeprefix("fp_")[:KEY]
