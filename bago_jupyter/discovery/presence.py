"""Whether a paired node is there: pure, fed with the outcomes of unicast probes, time is an argument.

A probe that is refused, or whose connection is reset, is hard evidence: the machine lives and nobody
listens. A probe that times out is soft evidence: the packet may be lost, the process frozen or the
machine off. How many soft failures in a row mean absence depends on how many probes fail on this path anyway,
so that a lossy radio link does not flap and a clean one is judged fast.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

import msgspec

State = Literal["unknown", "online", "offline"]

RHYTHM = 1.0
"""Seconds between the starts of two probes."""
HASTE = 0.5
"""The same, while a node is suspected."""
PROBE_TIMEOUT = 1.0
"""Seconds after which a probe counts as failed."""
HARD_FAILURES = 3
HARD_SILENCE = 2.0
"""Refusals in a row, and seconds since the last sign of life, that mean absence: a restart takes less."""
SOFT_FAILURES = 8
SOFT_SILENCE = 4.0
MISJUDGED = 1e-5
"""Accepted odds that a run of lost packets is taken for absence."""
MEMORY = 32.0
"""Probes over which the share of failing ones is averaged."""
FAREWELL = 5.0
"""Seconds in which answers of a process that said goodbye are its last words, not a return."""
FLAP_MEMORY = 300.0
"""Seconds in which a needless absence is half forgotten."""
MAX_PENALTY = 6.0
HISTORY = 64


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A change of state that people and the router see, or a restart."""

    at: float
    state: State
    reason: str
    restart: bool = False
    """The node is a new process. The state may be the one that it had before."""


class Presence:
    """Presence of one paired node. Belongs to one loop.

    Feed :meth:`ok`, :meth:`failed` and :meth:`left`; each returns the transition that it caused, if any.
    Any answer counts as a sign of life, not only a probe's.
    """

    def __init__(self) -> None:
        self.state: State = "unknown"
        self.reason = "not probed yet"
        self.since: float | None = None
        self.latency: float | None = None
        """Smoothed round trip in seconds."""
        self.boot: str | None = None
        """Id of the process that answered last."""
        self.history: deque[Transition] = deque(maxlen=HISTORY)
        self._soft = self._hard = 0
        self._loss = 0.0
        self._last_ok: float | None = None
        self._steady_since: float | None = None
        self._departed_at: float | None = None
        self._penalty = 0.0
        self._penalty_at = 0.0

    @property
    def suspect(self) -> bool:
        """The last two probes failed: the router should rather ask somebody else meanwhile."""
        return self.state == "online" and self._soft + self._hard >= 2

    @property
    def interval(self) -> float:
        """Seconds until the next probe should start."""
        return HASTE if self.suspect else RHYTHM

    @property
    def loss(self) -> float:
        """Smoothed share of probes that fail on this path, 0 to 1."""
        return self._loss

    def hold(self, now: float) -> float:
        """Seconds that a node which flapped must answer without a gap before it counts as online."""
        penalty = self._decayed(now)
        return 0.0 if penalty < 1 else 2.0 ** min(penalty, MAX_PENALTY)

    def ok(self, now: float, latency: float | None = None, boot: str | None = None) -> Transition | None:
        """It answered, from the process ``boot``; ``latency`` in seconds only where this was a probe."""
        restarted = boot is not None and self.boot is not None and boot != self.boot
        if self._departed_at is not None and not restarted and now - self._departed_at < FAREWELL:
            return None
        self.boot = boot or self.boot
        if latency is not None:
            self.latency = (
                latency if self.latency is None or restarted else self.latency * 0.8 + latency * 0.2
            )
        if self._steady_since is None or self._soft or self._hard:
            self._steady_since = now
        if self.state == "online" and latency is not None:
            self._loss -= self._loss / MEMORY
        self._soft = self._hard = 0
        self._last_ok = now
        if self.state == "online":
            return self._turn(now, "online", "it restarted", restart=True) if restarted else None
        if restarted or self.state == "unknown":
            return self._turn(now, "online", "it restarted" if restarted else "it answers", restart=restarted)
        if self._departed_at is None and now - self._steady_since < self.hold(now):
            return None
        return self._turn(now, "online", "it answers again")

    def failed(self, now: float, reason: str, *, hard: bool = False) -> Transition | None:
        """A probe failed; ``hard`` when the machine itself said that nobody listens.

        ``reason`` is a part of a sentence (``refused the connection``).
        """
        self._steady_since = None
        if hard:
            self._hard += 1
        else:
            self._soft += 1
            if self.state == "online":
                self._loss += (1 - self._loss) / MEMORY
        if self.state == "offline":
            return None
        silence = math.inf if self._last_ok is None else now - self._last_ok
        dead = self._hard >= HARD_FAILURES and silence >= HARD_SILENCE
        mute = self._soft + self._hard >= self._patience() and silence >= SOFT_SILENCE
        if not dead and not mute:
            return None
        if self.state == "online":
            self._penalty = self._decayed(now) + 1
            self._penalty_at = now
        return self._turn(now, "offline", f"it {reason}")

    def left(self, now: float, reason: str) -> Transition | None:
        """It said that it leaves: no waiting, and no penalty when it returns."""
        turn = None if self.state == "offline" else self._turn(now, "offline", reason)
        self._departed_at = now
        self._steady_since = None
        return turn

    def _patience(self) -> int:
        """Soft failures in a row that chance explains with odds of :data:`MISJUDGED` at most."""
        if self._loss <= 0.2:
            return SOFT_FAILURES
        return min(math.ceil(math.log(MISJUDGED) / math.log(min(self._loss, 0.6))), 24)

    def _decayed(self, now: float) -> float:
        return self._penalty * math.exp2((self._penalty_at - now) / FLAP_MEMORY)

    def _turn(self, now: float, state: State, reason: str, *, restart: bool = False) -> Transition:
        if restart and self.state == "offline":
            # It was away because it restarted: that is no flapping.
            self._penalty = max(self._decayed(now) - 1, 0.0)
            self._penalty_at = now
        turn = Transition(at=now, state=state, reason=reason, restart=restart)
        if state != self.state:
            self.since = now
        self.state, self.reason = state, reason
        self._departed_at = None
        self._soft = self._hard = 0
        self.history.append(turn)
        return turn
