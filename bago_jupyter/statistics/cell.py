"""The counters of one minute, or of any number of them added up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from .buckets import BOUNDS, BUCKETS
from .finished import Finished, Tried

COUNTERS = (
    "ok",
    "failed",
    "cancelled",
    "prompt_tokens",
    "completion_tokens",
    "decode_tokens",
    "decode_seconds",
    "latency_seconds",
    "first_seconds",
)
COLUMNS = (
    *COUNTERS,
    *(f"latency_{bucket}" for bucket in range(BUCKETS)),
    *(f"first_{bucket}" for bucket in range(BUCKETS)),
)
"""The names of :meth:`Cell.values`, in their order."""

MOST_TOKENS = 1_000_000_000
"""That one request is believed to have: a backend may say any number, and sums have to fit 64 bits."""


class Cell:
    """Counters that can be added up.

    ``latency`` is the whole time of answers that were completed: a refusal within a millisecond would flatter
    it, a client that left says nothing. ``first`` is the time to the first token of streamed answers, and the
    ``decode`` pair is what came after that token and how long it took; both also of streams that broke.
    """

    __slots__ = (*COUNTERS, "first", "latency")

    def __init__(self) -> None:
        self.ok = self.failed = self.cancelled = 0
        self.prompt_tokens = self.completion_tokens = self.decode_tokens = 0
        self.decode_seconds = self.latency_seconds = self.first_seconds = 0.0
        self.latency = [0] * BUCKETS
        self.first = [0] * BUCKETS

    @classmethod
    def of(cls, values: Sequence[int | float]) -> Cell:
        """The inverse of :meth:`values`."""
        cell, fixed = cls(), len(COUNTERS)
        for name, value in zip(COUNTERS, values, strict=False):
            setattr(cell, name, value)
        cell.latency = [int(count) for count in values[fixed : fixed + BUCKETS]]
        cell.first = [int(count) for count in values[fixed + BUCKETS : fixed + 2 * BUCKETS]]
        return cell

    def values(self) -> tuple[int | float, ...]:
        """Every counter, in the order of :data:`COLUMNS`."""
        return (*(getattr(self, name) for name in COUNTERS), *self.latency, *self.first)

    @property
    def requests(self) -> int:
        return self.ok + self.failed + self.cancelled

    @property
    def tokens_per_second(self) -> float | None:
        """How fast tokens came once they came, of one request."""
        return self.decode_tokens / self.decode_seconds if self.decode_seconds > 0 else None

    def add(self, decision: Finished, attempt: Tried | None) -> None:
        """Count a request that is over; ``attempt`` is the one that it ended with."""
        seconds = decision.seconds or 0.0
        if seconds < 0.0:  # the wall clock may have been set back meanwhile
            seconds = 0.0
        kind = decision.verdict or "failed"
        setattr(self, kind, getattr(self, kind) + 1)
        if kind == "ok":
            self.latency_seconds += seconds
            self.latency[bisect_left(BOUNDS, seconds)] += 1
        asked, tokens = decision.prompt_tokens or 0, decision.completion_tokens or 0
        if asked > MOST_TOKENS or tokens > MOST_TOKENS:
            asked, tokens = min(asked, MOST_TOKENS), min(tokens, MOST_TOKENS)
        self.prompt_tokens += asked
        self.completion_tokens += tokens
        if decision.stream and attempt is not None and attempt.first_byte is not None:
            if (decision.status or 0) >= 400:  # an error has no token
                return
            first = max(0.0, attempt.first_byte)
            self.first_seconds += first
            self.first[bisect_left(BOUNDS, first)] += 1
            if tokens > 1 and seconds > first:
                self.decode_tokens += tokens - 1
                self.decode_seconds += seconds - first

    def merge(self, other: Cell) -> None:
        """Add the counters of ``other``."""
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latency = [a + b for a, b in zip(self.latency, other.latency, strict=True)]
        self.first = [a + b for a, b in zip(self.first, other.first, strict=True)]
