"""Circuit breaker per (backend, model): stops asking what keeps failing, and tries it again in time."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..errors import Cause

THRESHOLD = 3
"""Failures in a row that open the breaker, where the cause does not open it at once."""
FIRST_PAUSE = 1.0
MAX_PAUSE = 30.0
LONGEST_RETRY_AFTER = 3600.0
"""Seconds of a backend's Retry-After that are believed."""

AT_ONCE: frozenset[Cause] = frozenset({"refused", "frozen"})
"""Causes that cost every further request time, or are certain: they open the breaker at once."""
WHOLE: frozenset[Cause] = frozenset({"refused", "frozen"})
"""Causes that say something of the machine, and so of all its models."""
ALL = ""
"""The model under which the causes of :data:`WHOLE` are kept."""
State = Literal["closed", "suspect", "open"]


class Breaker(msgspec.Struct, kw_only=True):
    """State of one breaker. ``now`` is any monotonic clock in seconds, always the caller's.

    It is ``closed`` after a success, ``suspect`` after a failure - asked when nobody else is left -, and
    ``open`` after :data:`THRESHOLD` of them or one of the causes :data:`AT_ONCE`: never asked. Both last for
    a pause, which doubles with every failure that comes after it; then one request is let through.
    """

    failures: int = 0
    pause: float = FIRST_PAUSE
    until: float = 0.0
    reason: str | None = None
    told: bool = False
    """Whether the backend itself said when to come back."""
    probing: bool = False
    """Whether a single request was let through after the pause and is still out."""

    def state(self, now: float) -> State:
        """What a request may expect."""
        if self.failures == 0:
            return "closed"
        if now >= self.until and not self.probing:
            return "closed"
        return "open" if self.failures >= THRESHOLD else "suspect"

    def began(self, now: float) -> None:
        """A request was sent; after a pause this one is the probe."""
        if self.failures and now >= self.until:
            self.probing = True

    def succeeded(self) -> None:
        """The backend answered: forget what was."""
        self.failures, self.pause, self.until = 0, FIRST_PAUSE, 0.0
        self.reason, self.told, self.probing = None, False, False

    def failed(self, now: float, reason: str, cause: Cause, retry_after: float | None = None) -> None:
        """The backend failed; ``retry_after`` is its own word on when to come back, in seconds."""
        self.reason = reason
        if cause in AT_ONCE or retry_after is not None:
            self.failures += THRESHOLD
        elif cause != "late" or self.failures + 1 < THRESHOLD:  # slow is no reason never to be asked
            self.failures += 1
        if retry_after is not None:  # 0 is often said where nobody thought about it
            wanted = max(FIRST_PAUSE, min(retry_after, LONGEST_RETRY_AFTER))
            self.until, self.told = max(self.until, now + wanted), True
        elif now >= self.until:  # what was in flight when it broke fails too, and is no further sign
            self.until, self.told = now + self.pause, False
            self.pause = min(MAX_PAUSE, self.pause * 2)
        self.probing = False

    def lives(self) -> None:
        """The probe has an answer that began. Others may follow it, for it may last for minutes; what was is
        forgotten when it ends well, and the next failure opens the breaker anew."""
        if self.probing:
            self.probing = False
            self.failures = min(self.failures, THRESHOLD - 1)

    def left(self) -> None:
        """The request ended without telling anything of the backend (the client went away)."""
        self.probing = False


class Breakers:
    """All breakers of a node, made as they are needed."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, str], Breaker] = {}
        """By backend and model: empty as long as nothing fails."""

    def look(self, backend: str, model: str, now: float) -> tuple[State, str | None]:
        """The worse of the states of the backend and of its model, with the reason."""
        worst: tuple[State, str | None] = ("closed", None)
        if self.all:
            for key in ((backend, model), (backend, ALL)):
                breaker = self.all.get(key)
                if breaker is not None and (state := breaker.state(now)) != "closed":
                    if state == "open":
                        return state, breaker.reason
                    worst = state, breaker.reason
        return worst

    def began(self, backend: str, model: str, now: float) -> None:
        """A request is sent."""
        for breaker in self._known(backend, model):
            breaker.began(now)

    def succeeded(self, backend: str, model: str) -> None:
        """The backend answered."""
        for breaker in self._known(backend, model):
            breaker.succeeded()

    def lives(self, backend: str, model: str = ALL) -> None:
        """The backend has begun to answer; without ``model`` it has given a sign of life."""
        for breaker in self._known(backend, model):
            breaker.lives()

    def left(self, backend: str, model: str) -> None:
        """The request told nothing of the backend."""
        for breaker in self._known(backend, model):
            breaker.left()

    def failed(
        self,
        backend: str,
        model: str,
        now: float,
        reason: str,
        cause: Cause,
        retry_after: float | None = None,
    ) -> None:
        """The backend failed, by ``cause``."""
        key = (backend, ALL if cause in WHOLE else model)
        for breaker in self._known(backend, model):
            breaker.left()
        self.all.setdefault(key, Breaker()).failed(now, reason, cause, retry_after)

    def relent(self, backend: str) -> None:
        """There is a sign that the backend may be well again: end its pauses, but those that it asked for."""
        for (of, _), breaker in self.all.items():
            if of == backend and not breaker.told:
                breaker.until = 0.0

    def forget(self, backend: str) -> None:
        """The backend is gone."""
        for key in [key for key in self.all if key[0] == backend]:
            del self.all[key]

    def _known(self, backend: str, model: str) -> list[Breaker]:
        if not self.all:
            return []
        found = (self.all.get((backend, model)), self.all.get((backend, ALL)))
        return [breaker for breaker in found if breaker is not None]


def counts(status: int) -> bool:
    """Whether an HTTP status is the backend's failure rather than the request's."""
    return status >= 500 or status == 429
