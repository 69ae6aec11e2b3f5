"""What the requests of this node tell of one backend, besides what probes do."""

from __future__ import annotations

from ..backends import Dispatcher
from ..router import Load


class Traffic:
    """Reads the books of one backend, and lets it be tried again. Belongs to the node's loop."""

    def __init__(self, dispatcher: Dispatcher, backend: str):
        self._dispatcher = dispatcher
        self._backend = backend

    @property
    def answered(self) -> int:
        """Requests that were answered there, since it is known."""
        return sum(load.ok for load in self._loads())

    @property
    def in_flight(self) -> int:
        """Requests that are there now."""
        return sum(load.in_flight for load in self._loads())

    def relent(self) -> None:
        """It gives a sign of life: let the next request try it, unless it said itself when to come back."""
        self._dispatcher.breakers.relent(self._backend)

    def _loads(self) -> list[Load]:
        return [load for (backend, _), load in self._dispatcher.loads.items() if backend == self._backend]
