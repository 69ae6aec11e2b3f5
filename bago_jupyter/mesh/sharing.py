"""What this node offers to its peers: every model of its own, but for those that were switched off.

Where the list of those was damaged, it is the other way round: nothing, but for what is switched on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from ..router import Offer
from ..state import Home
from .wire import MOST_ENTRIES, Entry

log = logging.getLogger("bago.mesh")

FILE = "sharing.json"
MOST_BYTES = 3 << 20
"""Of a catalogue: a peer waits for no line longer than 4 MiB."""
FEW = 1000
"""So many always fit: the fields of an entry are bounded."""
ORDER = {"ready": 0, "loading": 1, "available": 2, "failed": 3}


def entry_of(offer: Offer) -> Entry:
    """``offer`` as a peer is told of it."""
    return Entry(
        model=offer.model,
        tasks=sorted(offer.tasks),
        state=offer.state,
        slots=offer.slots,
        context_length=offer.context_length,
        chat=offer.chat,
        digest=offer.digest,
        quantization=offer.quantization,
        created=offer.created,
    )


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    closed: bool
    """Whether no model is shared, instead of every one ..."""
    but: frozenset[str] = frozenset()
    """... but for these, with which it is the other way round."""


class Sharing:
    """The switch of each model. Belongs to the node's loop.

    Raises :class:`~bago_jupyter.errors.StateError` where the home cannot be used.
    """

    def __init__(self, home: Home):
        self._home = home
        self._file = home.load(
            FILE,
            _read,
            blank=msgspec.json.encode(_File(closed=True)),
            lost="no model is shared with peers until it is switched on again",
        ) or _File(closed=False)
        self._left_out = False

    def told(self, offers: Iterable[Offer]) -> list[Entry]:
        """``offers`` as peers are told of them: where those are too many, what is ready first, then by name.

        That some are left out is logged once, until there is room for all again.
        """
        entries = [entry_of(offer) for offer in offers]
        kept = _first(entries)
        if len(kept) < len(entries) and not self._left_out:
            log.warning(
                "%d models are shared, and peers are told of the first %d only (what is ready first, then by"
                " name); stop sharing some that nobody needs",
                len(entries),
                len(kept),
            )
        self._left_out = len(kept) < len(entries)
        return kept

    def shares(self, model: str) -> bool:
        """Whether peers may use ``model``."""
        return (model in self._file.but) is self._file.closed

    def set(self, model: str, shared: bool) -> None:
        """Switch a model on or off for peers.

        Raises :class:`~bago_jupyter.errors.StateError` where that cannot be kept.
        """
        closed, but = self._file.closed, self._file.but
        file = _File(closed=closed, but=but | {model} if shared is closed else but - {model})
        self._home.write(FILE, msgspec.json.encode(file))
        self._file = file


def _first(entries: list[Entry]) -> list[Entry]:
    """As many of ``entries`` as a peer takes."""
    if len(entries) <= FEW:
        return entries
    size, kept = 0, list[Entry]()
    for entry in sorted(entries, key=lambda entry: (ORDER[entry.state], entry.model))[:MOST_ENTRIES]:
        size += len(msgspec.json.encode(entry)) + 1
        if size > MOST_BYTES:
            break
        kept.append(entry)
    return kept


def _read(data: bytes) -> _File:
    found = msgspec.json.decode(data, type=_File | list[str])
    return _File(closed=False, but=frozenset(found)) if isinstance(found, list) else found
