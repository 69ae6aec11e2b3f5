"""What was decided and what came of it: the last requests, each with all that its decision hung on.

A plan is a function of its inputs alone, so they are kept, and of the plan itself only a mark by which it is
told from another. Records share rows: where a model has more than :data:`FEW` offers, one that stands as it
did for the request before is the same object in both records, which leaves eight bytes of it in each.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from itertools import islice

import msgspec

from ..errors import NotFound
from ..router import Inputs, Plan, Row, Shape, plan
from ..router.outcome import Ending, verdict
from ..wire import Counts, Decision
from .base import Request

KEPT = 1000
"""Decisions in the ring buffer."""
FEW = 8
"""Rows that are not worth being compared."""
MODELS = 256
"""Models of which the latest rows are remembered."""


class Records:
    """The ring buffer. Belongs to the node's loop."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._decisions: OrderedDict[str, Decision] = OrderedDict()
        self._kept: dict[str, tuple[Inputs, int]] = {}
        """Inputs of decisions, each with the :func:`_mark` of the plan that was made of them."""
        self._rows: dict[str, tuple[Row, ...]] = {}
        """The latest rows by model."""

    def __contains__(self, id: str) -> bool:
        return id in self._decisions

    def __len__(self) -> int:
        return len(self._decisions)

    def begin(self, request: Request, shape: Shape, policy: str) -> Decision:
        """A request has arrived."""
        decision = Decision(
            id=request.id,
            at=time.time(),
            model=shape.model,
            dialect=shape.dialect,
            stream=shape.stream,
            caller=shape.caller,
            policy=policy,
        )
        self._decisions[request.id] = decision
        if len(self._decisions) > KEPT:
            self._kept.pop(self._decisions.popitem(last=False)[0], None)
        self.counts.total += 1
        self.counts.in_flight += 1
        return decision

    def decided(self, id: str, inputs: Inputs, chosen: Plan) -> None:
        """What was decided for it; the last time counts where it waited and was decided anew."""
        if id in self._decisions:  # else it waited so long that its record made room
            self._kept[id] = self._shared(inputs), _mark(chosen)

    def over(self, decision: Decision, seconds: float, status: int | None, ending: Ending) -> None:
        """A request is over; of its token counts those that are known count."""
        decision.seconds = seconds
        decision.status = status
        decision.outcome, decision.detail, decision.cause = ending
        counts = self.counts
        counts.in_flight -= 1
        kind = verdict(status, ending.outcome)
        setattr(counts, kind, getattr(counts, kind) + 1)
        counts.prompt_tokens += decision.prompt_tokens or 0
        counts.completion_tokens += decision.completion_tokens or 0

    def get(self, id: str) -> Decision:
        """One decision with its candidates. Raises :class:`NotFound`."""
        decision = self._decisions.get(id)
        if decision is None:
            raise NotFound(f"No request {id} is kept; the last {KEPT} are.")
        return self._told(decision)

    def latest(self, count: int = 1) -> list[Decision]:
        """The newest decisions first, with their candidates."""
        return [self._told(decision) for decision in islice(reversed(self._decisions.values()), count)]

    def inputs(self, id: str) -> Inputs:
        """All that the decision on request ``id`` hung on. Raises :class:`NotFound`."""
        self.get(id)
        if id not in self._kept:
            raise NotFound(f"Request {id} ended before anything was decided.")
        return self._kept[id][0]

    def _told(self, decision: Decision) -> Decision:
        """``decision`` with what was thought of everybody: for whoever asks, not to be kept."""
        kept = self._kept.get(decision.id)
        if kept is None:
            return decision
        inputs, mark = kept
        chosen = plan(inputs)
        return msgspec.structs.replace(
            decision,
            candidates=chosen.candidates,
            rejections=list(chosen.rejections),
            replayed=_mark(chosen) == mark,
        )

    def _shared(self, inputs: Inputs) -> Inputs:
        rows, model = inputs.rows, inputs.shape.model
        if len(rows) <= FEW:
            return inputs
        known = self._rows.get(model, ())
        if len(known) == len(rows):
            rows = tuple([old if old == new else new for old, new in zip(known, rows, strict=True)])
        elif len(self._rows) >= MODELS:
            self._rows.clear()
        self._rows[model] = rows
        return msgspec.structs.replace(inputs, rows=rows)


def _mark(chosen: Plan) -> int:
    """Tells one plan from another, within this process."""
    order = tuple([row.offer.backend for row in chosen.rows])
    return hash((order, chosen.scores, chosen.rejections, chosen.waits))
