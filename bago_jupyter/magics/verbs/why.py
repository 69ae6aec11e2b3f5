"""``why``: how the node decided where a request goes."""

from __future__ import annotations

from ... import launch
from ...wire import Attempt, Candidate, Decision
from ..parse import Given
from ..session import Session
from ..show import seconds

_COLUMNS = ("backend", "node", "model", "verdict", "score", "why", "began", "headers", "first byte", "end")


def why(session: Session, given: Given) -> None:
    """Candidates, rejections and attempts of one request as a table."""
    decision = launch.node().why(given.argument or None)
    session.screen.line(_summary(decision))
    rows = _rows(decision)
    if rows:
        session.screen.table(_COLUMNS, rows)
    else:
        session.screen.line("No backend was a candidate.")


def _summary(decision: Decision) -> str:
    tokens = (
        f"{decision.prompt_tokens if decision.prompt_tokens is not None else '?'} + "
        f"{decision.completion_tokens if decision.completion_tokens is not None else '?'} tokens"
    )
    facts = [
        decision.id,
        f"{decision.model} ({decision.dialect}{', streamed' if decision.stream else ''})",
        f"for {decision.caller}" if decision.caller else "",
        f"by {decision.policy}",
        _went(decision),
        seconds(decision.seconds),
        tokens,
        f"waited {seconds(decision.queued)} for a slot" if decision.queued is not None else "",
        _replay(decision),
    ]
    return " · ".join(fact for fact in facts if fact)


def _replay(decision: Decision) -> str:
    if decision.replayed is None:
        return ""
    return "replays the same" if decision.replayed else "REPLAYS DIFFERENTLY"


def _rows(decision: Decision) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    tries: dict[tuple[str, str, str], list[Attempt]] = {}
    for attempt in decision.attempts:
        tries.setdefault((attempt.backend, attempt.node, attempt.model), []).append(attempt)
    for candidate in decision.candidates:
        scored = (f"{candidate.score:.3g}", _reason(decision.policy, candidate))
        where = (candidate.backend, candidate.node, candidate.model)
        made = tries.pop(where, [])
        rows += [(*where, _verdict(attempt), *scored, *_times(attempt)) for attempt in made]
        if not made:
            rows.append((*where, "not tried", *scored, "", "", "", ""))
    for where, made in tries.items():
        rows += [(*where, _verdict(attempt), "", "", *_times(attempt)) for attempt in made]
    for rejection in decision.rejections:
        reason = f"{rejection.gate}: {rejection.reason}"
        rows.append((rejection.backend, rejection.node, "", "ruled out", "", reason, "", "", "", ""))
    return rows


def _reason(policy: str, candidate: Candidate) -> str:
    """What the policy's score says, with what it was made of."""
    facts = {
        "balanced": f"done in {seconds(candidate.score)}",
        "least-loaded": f"{candidate.score:.0%} of its slots taken",
        "fastest": f"alone in {seconds(candidate.score)}",
        "priority": f"priority {candidate.priority}",
        "weighted": f"weight {candidate.weight:g}",
        "round-robin": f"last chosen by decision {candidate.score:.0f}",
    }
    more = [
        f"{candidate.in_flight} on {candidate.slots} slots",
        "full" if candidate.full else "",
        f"{candidate.speed:.0f} tokens/s",
        f"{seconds(candidate.latency)} away" if candidate.latency else "",
        f"{candidate.warm} tokens read before" if candidate.warm else "",
        "" if candidate.state == "ready" else candidate.state,
        "failed lately" if candidate.suspect else "",
        "probably too short a context" if candidate.tight else "",
        f"choice {candidate.rank + 1} of the route" if candidate.rank else "",
    ]
    return f"{facts.get(policy, policy)} ({', '.join(fact for fact in more if fact)})"


def _verdict(attempt: Attempt) -> str:
    beside = " (beside)" if attempt.hedge else ""
    return _went(attempt) + beside


def _went(what: Decision | Attempt) -> str:
    return (what.detail or what.outcome) + (f" {what.status}" if what.status else "")


def _times(attempt: Attempt) -> tuple[str, str, str, str]:
    times = (attempt.started, attempt.headers, attempt.first_byte, attempt.ended)
    return seconds(times[0]), seconds(times[1]), seconds(times[2]), seconds(times[3])
