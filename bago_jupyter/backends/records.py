"""What was decided and what came of it: the last requests, each with all that its decision hung on."""

from __future__ import annotations

import time
from collections import OrderedDict
from itertools import islice

from ..errors import NotFound
from ..router import Inputs, Plan, Shape, plan
from ..router.outcome import verdict
from ..wire import Counts, Decision
from .base import Request

KEPT = 1000
"""Decisions in the ring buffer."""


class Records:
    """The ring buffer. Belongs to the node's loop."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._decisions: OrderedDict[str, Decision] = OrderedDict()
        self._plans: dict[str, tuple[Inputs, Plan]] = {}

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
            self._plans.pop(self._decisions.popitem(last=False)[0], None)
        self.counts.total += 1
        self.counts.in_flight += 1
        return decision

    def decided(self, id: str, inputs: Inputs, chosen: Plan) -> None:
        """What was decided for it; the last time counts where it waited and was decided anew."""
        if id in self._decisions:  # else it waited so long that its record made room
            self._plans[id] = (inputs, chosen)

    def over(self, decision: Decision, seconds: float, status: int | None, outcome: str) -> None:
        """A request is over; of its token counts those that are known count."""
        decision.seconds = seconds
        decision.status = status
        decision.outcome = outcome
        counts = self.counts
        counts.in_flight -= 1
        kind = verdict(status, outcome)
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
        if id not in self._plans:
            raise NotFound(f"Request {id} ended before anything was decided.")
        return self._plans[id][0]

    def _told(self, decision: Decision) -> Decision:
        kept = self._plans.get(decision.id)
        if kept is not None:
            inputs, chosen = kept
            decision.candidates = chosen.candidates
            decision.rejections = list(chosen.rejections)
            decision.replayed = plan(inputs) == chosen
        return decision
