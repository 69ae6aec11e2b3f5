"""``why``: how the node decided where a request goes."""

from __future__ import annotations

from ... import launch
from ...wire import Attempt, Candidate, Decision
from ..parse import Given
from ..session import Session
from ..show import seconds

_COLUMNS = ("backend", "node", "verdict", "score", "why", "headers", "first byte", "end")


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
        decision.outcome + (f" {decision.status}" if decision.status else ""),
        seconds(decision.seconds),
        tokens,
    ]
    return " · ".join(fact for fact in facts if fact)


def _rows(decision: Decision) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    tries: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in decision.attempts:
        tries.setdefault((attempt.backend, attempt.node), []).append(attempt)
    for candidate in decision.candidates:
        scored = (f"{candidate.score:.3g}", _reason(decision.policy, candidate))
        made = tries.pop((candidate.backend, candidate.node), [])
        where = (candidate.backend, candidate.node)
        rows += [(*where, _verdict(attempt), *scored, *_times(attempt)) for attempt in made]
        if not made:
            rows.append((*where, "not tried", *scored, "", "", ""))
    for (backend, node), made in tries.items():
        rows += [(backend, node, _verdict(attempt), "", "", *_times(attempt)) for attempt in made]
    for rejection in decision.rejections:
        reason = f"{rejection.gate}: {rejection.reason}"
        rows.append((rejection.backend, rejection.node, "ruled out", "", reason, "", "", ""))
    return rows


def _reason(policy: str, candidate: Candidate) -> str:
    """What the policy's score says, with what it was made of."""
    facts = {
        "balanced": f"done in {seconds(candidate.score)}",
        "least-loaded": f"{candidate.score:.0%} of its slots taken",
        "fastest": f"alone in {seconds(candidate.score)}",
        "priority": f"priority {candidate.priority}",
    }
    cold = "" if candidate.state == "ready" else f", {candidate.state}"
    load = f"{candidate.in_flight} on {candidate.slots} slots, {candidate.speed:.0f} tokens/s{cold}"
    return f"{facts.get(policy, policy)} ({load})"


def _verdict(attempt: Attempt) -> str:
    return attempt.outcome + (f" {attempt.status}" if attempt.status else "")


def _times(attempt: Attempt) -> tuple[str, str, str]:
    return seconds(attempt.headers), seconds(attempt.first_byte), seconds(attempt.ended)
