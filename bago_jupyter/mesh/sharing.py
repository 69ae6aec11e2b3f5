"""What this node offers to its peers: every model of its own, but for those that were switched off."""

from __future__ import annotations

import msgspec

from ..state import Home

FILE = "sharing.json"


class Sharing:
    """The switch of each model. Belongs to the node's loop."""

    def __init__(self, home: Home):
        self._home = home
        try:
            self._off = set(msgspec.json.decode(home.read(FILE) or b"[]", type=list[str]))
        except msgspec.DecodeError:
            self._off = set()

    def shares(self, model: str) -> bool:
        """Whether peers may use ``model``."""
        return model not in self._off

    def set(self, model: str, shared: bool) -> None:
        """Switch a model on or off for peers."""
        (self._off.discard if shared else self._off.add)(model)
        self._home.write(FILE, msgspec.json.encode(sorted(self._off)))
