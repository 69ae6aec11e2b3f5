"""Whether a connection can be used: pure, fed with the outcomes of probes, time is an argument."""

from __future__ import annotations

from collections import deque

import msgspec

from ..router.offer import Health

EVERY = 30.0
"""Seconds between the probes of a healthy connection, and of one that has failed for long."""
SOON = 5.0
"""The same while it fails."""
AGAIN = 1.0
"""The same where the next probe decides."""
WARMING_EVERY = 1.0
LONG = 60
"""Probes that failed after which it is asked more rarely; at once where trying again changes nothing."""
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

    Feed :meth:`ok`, :meth:`failed`, :meth:`away`, :meth:`warming` and :meth:`disabled` with what probes show,
    :meth:`served` and :meth:`let_down` with what requests do; each returns the change that it caused, if any.
    """

    def __init__(self) -> None:
        self.state: Health = "unknown"
        self.reason = "not probed yet"
        self.latency: float | None = None
        """Smoothed seconds of an answer to a probe."""
        self.error: str | None = None
        """What the latest probe that failed said, until one succeeds; of one that succeeded, what else there
        is to say."""
        self.history: deque[Change] = deque(maxlen=HISTORY)
        self.lets_down = False
        """Whether it is unhealthy by its requests alone: only another one can tell that it is well again."""
        self._failures = self._successes = self._let_down = 0
        self._hopeless = False
        self.there = False
        """Whether it answered before."""
        self._warming_since: float | None = None

    @property
    def interval(self) -> float:
        """Seconds until the next probe should start."""
        if self.state == "warming":
            return WARMING_EVERY
        if self.state == "unhealthy":
            if self._successes:
                return SOON if self.lets_down else AGAIN
            return EVERY if self._hopeless or self._failures >= LONG else SOON
        return AGAIN if self._failures or self.state != "healthy" else EVERY

    def ok(
        self, now: float, latency: float | None, *, sure: bool = False, but: str | None = None
    ) -> Change | None:
        """A probe was answered after ``latency`` seconds, if that is known; ``sure`` where it was looked at
        closely, ``but`` is what there is to say all the same."""
        if latency is not None:
            self.latency = latency if self.latency is None else self.latency * 0.8 + latency * 0.2
        self._failures, self.error, self._warming_since = 0, but, None
        self._hopeless, self.there = False, True
        self._successes += 1
        if self.lets_down:
            return None
        if self.state == "healthy" or (
            self.state == "unhealthy" and self._successes < SUCCESSES and not sure
        ):
            return None
        return self._well(now)

    def failed(
        self, now: float, reason: str, *, certain: bool = False, lasting: bool = False
    ) -> Change | None:
        """A probe failed; ``certain`` where one is enough, ``lasting`` where trying again changes nothing, as
        when a key is refused."""
        self._successes, self.error, self.lets_down = 0, reason, False
        self._hopeless = lasting
        self._failures += 1
        if self.state == "unhealthy":
            return self._turn(now, "unhealthy", reason) if reason != self.reason else None
        if not certain and self._failures < FAILURES:
            return None
        self._failures = max(self._failures, FAILURES)
        return self._turn(now, "unhealthy", reason)

    def away(self, now: float, reason: str, *, certain: bool = False) -> Change | None:
        """It is not to be found where it was before, as when it is being started; ``certain`` where one look
        is enough. It is waited for, unless that was done already."""
        if self.state == "unhealthy" and not self.lets_down:
            return self.failed(now, reason)
        self.lets_down = False
        if not certain and self._failures + 1 < FAILURES and self.state != "warming":
            return self.failed(now, reason)
        return self.warming(now, f"{reason}; it was there before, and may be starting")

    def warming(self, now: float, reason: str) -> Change | None:
        """It says that it is not ready yet."""
        self._successes, self.error = 0, reason
        if self._warming_since is None:
            self._warming_since = now
        if now - self._warming_since >= WARMING_FOR:
            self._failures = FAILURES
            return self.failed(now, f"it has been warming up for more than {WARMING_FOR:.0f} s")
        self._failures = 0
        return None if self.state == "warming" else self._turn(now, "warming", reason)

    def served(self, now: float) -> Change | None:
        """It answered a request as it should."""
        self._let_down = 0
        return self._well(now) if self.lets_down else None

    def let_down(self, now: float, reason: str) -> Change | None:
        """A request failed there, by its fault."""
        self._let_down += 1
        if self._let_down < FAILURES or self.state != "healthy":
            return None
        self.lets_down, self._successes = True, 0
        return self._turn(now, "unhealthy", f"its last {FAILURES} requests failed: {reason}")

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
        self._failures = self._successes = self._let_down = 0
        self.lets_down = self._hopeless = self.there = False
        self._warming_since = self.error = None

    def _well(self, now: float) -> Change:
        self.lets_down = False
        self._let_down = 0
        again = self.state in ("unhealthy", "warming")
        return self._turn(now, "healthy", "it answers again" if again else "it answers")

    def _turn(self, now: float, state: Health, reason: str) -> Change:
        self.state, self.reason = state, reason
        change = Change(at=now, state=state, reason=reason)
        self.history.append(change)
        return change
