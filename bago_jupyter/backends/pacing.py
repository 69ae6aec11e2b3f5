"""When a cluster's manager may be asked again: pure, time is an argument."""

from __future__ import annotations

NEWS = 60.0
"""Seconds from one answer of a manager to the next question for news, at least."""
SOON = 5.0
"""The same where nothing answered at all; doubled up to :data:`NEWS`."""
WINDOW = 900.0
"""Seconds over which managers count the requests of a key."""
SHARE = 0.1
"""Part of a key's rate limit that questions for news may use; the last part of that size is its owner's."""


class Pacing:
    """Times are in seconds of any monotonic clock, always the caller's."""

    def __init__(self) -> None:
        self.due = 0.0
        """When to ask for news."""
        self.barred = 0.0
        """Before this nothing is asked: the manager said that it was too much."""
        self._window = WINDOW
        self._failures = self._refusals = 0

    def answered(
        self, now: float, limit: float | None, remaining: float | None, window: float | None
    ) -> None:
        """The manager answered as wished; the rest is what its ``X-RateLimit-*`` headers said."""
        self._failures = self._refusals = 0
        self.barred = 0.0
        if window is not None and 0 < window <= 24 * 3600:
            self._window = window
        wait = NEWS
        if limit is not None and limit > 0:
            wait = max(wait, self._window / max(1.0, limit * SHARE))
            if remaining is not None and remaining < limit * SHARE:
                wait = max(wait, self._window)
        self.due = now + wait

    def failed(self, now: float) -> None:
        """It answered with a failure."""
        self._failures = 0
        self.due = now + NEWS

    def silent(self, now: float) -> None:
        """Nobody answered, so asking costs nobody anything."""
        self.due = now + min(NEWS, SOON * 2.0 ** min(self._failures, 8))
        self._failures += 1

    def limited(self, now: float, retry_after: float | None) -> None:
        """It says that it was asked too often (429), and perhaps for how long to leave it alone.

        Managers count the refused requests too, so that each further one is doubly late.
        """
        wait = min(self._window, NEWS * 2.0 ** min(self._refusals, 8)) if retry_after is None else retry_after
        self._refusals += 1
        self.barred = now + max(1.0, wait)
        self.due = max(self.barred, now + NEWS)
