"""What the requests of this node tell of one backend, besides what probes do."""

from __future__ import annotations

from itertools import islice

from ..backends import Dispatcher
from ..router import Load

RECENT = 256
"""Requests of the ring that are looked at."""


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

    def first_bytes(self) -> list[tuple[int, float]]:
        """Of the last streams there: how many others each met, and the seconds to its first byte."""
        return [
            (flight.row.in_flight, flight.first_byte - flight.started)
            for record in islice(reversed(self._dispatcher.records.kept.values()), RECENT)
            if record.stream
            for flight in record.attempts
            if flight.backend == self._backend and flight.first_byte is not None
        ]

    def relent(self) -> None:
        """It gives a sign of life: let the next request try it, unless it said itself when to come back."""
        self._dispatcher.breakers.relent(self._backend)

    def _loads(self) -> list[Load]:
        return [load for (backend, _), load in self._dispatcher.loads.items() if backend == self._backend]
