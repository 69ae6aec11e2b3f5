"""What was decided and what came of it: the last requests, each with all that its decision hung on.

A plan is a function of its inputs alone, so they are kept. Records share rows: where a model has more than
:data:`FEW` offers, one that stands as it did for the request before is the same object in both records, which
leaves eight bytes of it in each; of the plan itself only a mark is kept then.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice

import msgspec

from ..errors import NotFound
from ..router import Inputs, Plan, Row, plan
from ..wire import Counts, Decision
from .record import Record

KEPT = 1000
"""Requests in the ring buffer."""
FEW = 8
"""Rows that are not worth being compared."""
MODELS = 256
"""Models of which the latest rows are remembered."""


class Records:
    """The ring buffer. Belongs to the node's loop."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.kept: OrderedDict[str, Record] = OrderedDict()
        """By id, the oldest first. Whoever takes one in drops what is beyond :data:`KEPT`."""
        self._rows: dict[str, tuple[Row, ...]] = {}
        """The latest rows by model."""

    def __contains__(self, id: str) -> bool:
        return id in self.kept

    def __len__(self) -> int:
        return len(self.kept)

    def shared(self, record: Record, inputs: Inputs, chosen: Plan) -> None:
        """Keep a decision over many rows; the last one counts where a request waited and was decided anew."""
        rows, model = inputs.rows, inputs.shape.model
        known = self._rows.get(model, ())
        if len(known) == len(rows):
            rows = tuple([old if old == new else new for old, new in zip(known, rows, strict=True)])
        elif len(self._rows) >= MODELS:
            self._rows.clear()
        self._rows[model] = rows
        record.inputs = msgspec.structs.replace(inputs, rows=rows)
        record.plan = _mark(chosen)

    def get(self, id: str) -> Decision:
        """One decision with its candidates. Raises :class:`NotFound`."""
        return self._told(self._find(id))

    def latest(self, count: int = 1) -> list[Decision]:
        """The newest decisions first, with their candidates."""
        return [self._told(record) for record in islice(reversed(self.kept.values()), count)]

    def inputs(self, id: str) -> Inputs:
        """All that the decision on request ``id`` hung on. Raises :class:`NotFound`."""
        inputs = self._find(id).inputs
        if inputs is None:
            raise NotFound(f"Request {id} ended before anything was decided.")
        return inputs

    def _find(self, id: str) -> Record:
        record = self.kept.get(id)
        if record is None:
            raise NotFound(f"No request {id} is kept; the last {KEPT} are.")
        return record

    def _told(self, record: Record) -> Decision:
        """With what was thought of everybody: for whoever asks, not to be kept."""
        decision, inputs = record.told(), record.inputs
        if inputs is None:
            return decision
        again = plan(inputs)
        decision.candidates = again.candidates(inputs)
        decision.rejections = list(again.rejections)
        decision.replayed = record.plan == (again if isinstance(record.plan, Plan) else _mark(again))
        return decision


def _mark(chosen: Plan) -> int:
    """Tells one plan from another, within this process."""
    order = tuple([row.offer.backend for row in chosen.rows])
    return hash((order, chosen.scores, chosen.rejections, chosen.waits))
