"""What this node offers to its peers: every model of its own, but for those that were switched off.

Where the list of those was damaged, it is the other way round: nothing, but for what is switched on.
"""

from __future__ import annotations

import msgspec

from ..router import Offer
from ..state import Home
from .wire import Entry

FILE = "sharing.json"


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


def _read(data: bytes) -> _File:
    found = msgspec.json.decode(data, type=_File | list[str])
    return _File(closed=False, but=frozenset(found)) if isinstance(found, list) else found
