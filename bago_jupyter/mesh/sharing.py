"""What this node offers to its peers: every model of its own, but for those that were switched off."""

from __future__ import annotations

import msgspec

from ..errors import StateError
from ..state import Home

FILE = "sharing.json"


class Sharing:
    """The switch of each model. Belongs to the node's loop. Raises :class:`StateError` for a damaged file."""

    def __init__(self, home: Home):
        self._home = home
        data = home.read(FILE)
        try:
            self._off = set() if data is None else set(msgspec.json.decode(data, type=list[str]))
        except msgspec.DecodeError:  # nothing that was switched off may be shared for that
            raise StateError(
                f"{home.root / FILE} is damaged; restore it, or delete it to share every model again."
            ) from None

    def shares(self, model: str) -> bool:
        """Whether peers may use ``model``."""
        return model not in self._off

    def set(self, model: str, shared: bool) -> None:
        """Switch a model on or off for peers. Raises :class:`StateError` where that cannot be kept."""
        off = self._off - {model} if shared else self._off | {model}
        self._home.write(FILE, msgspec.json.encode(sorted(off)))
        self._off = off
