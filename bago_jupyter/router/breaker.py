"""Circuit breaker per (backend, model): stops asking what keeps failing, and tries it again in time."""

from __future__ import annotations

import msgspec

THRESHOLD = 3
"""Failures in a row that open the breaker."""
FIRST_PAUSE = 1.0
MAX_PAUSE = 30.0


class Breaker(msgspec.Struct, kw_only=True):
    """State of one breaker. ``now`` is any monotonic clock in seconds, always the caller's.

    Connection failures, 5xx, resets, missed header deadlines and 429 count; other 4xx and clients
    that go away do not: whoever records decides by :func:`counts`.
    """

    failures: int = 0
    pause: float = FIRST_PAUSE
    open_until: float = 0.0
    reason: str | None = None
    probing: bool = False
    """Whether a single request was let through after the pause and is still out."""

    def allows(self, now: float) -> bool:
        """Whether a request may be sent."""
        return self.failures < THRESHOLD or (now >= self.open_until and not self.probing)

    def began(self, now: float) -> None:
        """A request was sent; after a pause this one is the probe."""
        if self.failures >= THRESHOLD:
            self.probing = True

    def succeeded(self) -> None:
        """The backend answered: forget what was."""
        self.failures, self.pause, self.open_until = 0, FIRST_PAUSE, 0.0
        self.reason, self.probing = None, False

    def failed(self, now: float, reason: str, retry_after: float | None = None) -> None:
        """The backend failed; ``retry_after`` is its own word on when to come back, in seconds."""
        self.failures += 1
        self.reason, self.probing = reason, False
        if retry_after is not None:
            self.failures = max(self.failures, THRESHOLD)
            self.open_until = now + retry_after
        elif self.failures >= THRESHOLD:
            self.open_until = now + self.pause
            self.pause = min(MAX_PAUSE, self.pause * 2)

    def left(self) -> None:
        """The request ended without telling anything of the backend (the client went away)."""
        self.probing = False


class Breakers:
    """All breakers of a node, made as they are needed."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], Breaker] = {}

    def get(self, backend: str, model: str) -> Breaker | None:
        """The breaker if anything was ever recorded there."""
        return self._all.get((backend, model))

    def of(self, backend: str, model: str) -> Breaker:
        """The breaker, made if there is none."""
        key = (backend, model)
        breaker = self._all.get(key)
        if breaker is None:
            breaker = self._all[key] = Breaker()
        return breaker


def counts(status: int) -> bool:
    """Whether an HTTP status is the backend's failure rather than the request's."""
    return status >= 500 or status == 429
