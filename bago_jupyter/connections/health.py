"""Whether a connection can be used: pure, fed with the outcomes of probes, time is an argument."""

from __future__ import annotations

from collections import deque

import msgspec

from ..router.offer import Health

EVERY = 30.0
"""Seconds between the probes of a healthy connection."""
SOON = 5.0
"""The same while it fails; doubled up to :data:`EVERY` the longer it does."""
WARMING_EVERY = 1.0
WARMING_FOR = 300.0
"""Seconds after which a server that is still warming up counts as unhealthy."""
FAILURES = 3
SUCCESSES = 2
HISTORY = 64


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change that people and the router see."""

    at: float
    state: Health
    reason: str


class State:
    """Health of one connection. Belongs to one loop.

    Feed :meth:`ok`, :meth:`failed`, :meth:`warming` and :meth:`disabled`; each returns the change that it
    caused, if any.
    """

    def __init__(self) -> None:
        self.state: Health = "unknown"
        self.reason = "not probed yet"
        self.latency: float | None = None
        """Smoothed seconds of an answer to a probe."""
        self.error: str | None = None
        """What the latest probe that failed said, until one succeeds."""
        self.history: deque[Change] = deque(maxlen=HISTORY)
        self._failures = self._successes = 0
        self._warming_since: float | None = None

    @property
    def interval(self) -> float:
        """Seconds until the next probe should start."""
        if self.state == "warming":
            return WARMING_EVERY
        if self.state == "unhealthy" and not self._successes:
            return min(EVERY, SOON * 2.0 ** max(0, min(self._failures - FAILURES, 8)))
        return SOON if self._failures or self.state != "healthy" else EVERY

    def ok(self, now: float, latency: float, *, sure: bool = False) -> Change | None:
        """A probe was answered after ``latency`` seconds; ``sure`` where it was looked at closely."""
        self.latency = latency if self.latency is None else self.latency * 0.8 + latency * 0.2
        self._failures, self.error, self._warming_since = 0, None, None
        self._successes += 1
        if self.state == "healthy" or (
            self.state == "unhealthy" and self._successes < SUCCESSES and not sure
        ):
            return None
        again = self.state in ("unhealthy", "warming")
        return self._turn(now, "healthy", "it answers again" if again else "it answers")

    def failed(self, now: float, reason: str, *, certain: bool = False) -> Change | None:
        """A probe failed; ``certain`` where trying again changes nothing, as when a key is refused."""
        self._successes, self.error = 0, reason
        self._failures += 1
        if self.state == "unhealthy":
            return self._turn(now, "unhealthy", reason) if reason != self.reason else None
        if not certain and self._failures < FAILURES:
            return None
        self._failures = max(self._failures, FAILURES)
        return self._turn(now, "unhealthy", reason)

    def warming(self, now: float, reason: str) -> Change | None:
        """It says that it is not ready yet."""
        self._successes, self.error = 0, reason
        if self._warming_since is None:
            self._warming_since = now
        if now - self._warming_since >= WARMING_FOR:
            return self.failed(now, f"it has been warming up for more than {WARMING_FOR:.0f} s", certain=True)
        self._failures = 0
        return None if self.state == "warming" else self._turn(now, "warming", reason)

    def disabled(self, now: float) -> Change | None:
        """Its owner switched it off."""
        self._forget()
        return None if self.state == "disabled" else self._turn(now, "disabled", "switched off")

    def anew(self, now: float, reason: str) -> Change | None:
        """All that was known may be wrong: it was switched on, or its settings changed."""
        self._forget()
        self.latency = None
        return None if self.state == "unknown" else self._turn(now, "unknown", reason)

    def _forget(self) -> None:
        self._failures = self._successes = 0
        self._warming_since = self.error = None

    def _turn(self, now: float, state: Health, reason: str) -> Change:
        self.state, self.reason = state, reason
        change = Change(at=now, state=state, reason=reason)
        self.history.append(change)
        return change
