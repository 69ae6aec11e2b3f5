"""How busy and how fast a backend is with a model."""

from __future__ import annotations

import msgspec

from ..wire import Outcome
from .outcome import verdict

DEFAULT_SPEED = 50.0
"""Tokens per second assumed of a backend that was never measured."""
SMOOTHING = 0.2
"""Share of the newest measurement in the running means."""
DEVIATIONS = 4.0
"""Mean deviations past the mean at which an answer is late (as RFC 6298, 2.2, for retransmissions)."""
ENOUGH = 3
"""Measurements before anything is called late."""


class Lateness(msgspec.Struct, kw_only=True):
    """A running mean of durations in seconds, and its mean deviation."""

    mean: float = 0.0
    deviation: float = 0.0
    count: int = 0

    def saw(self, seconds: float) -> None:
        """One more duration."""
        if self.count == 0:
            self.mean, self.deviation = seconds, seconds / 2
        else:
            self.deviation += SMOOTHING * (abs(seconds - self.mean) - self.deviation)
            self.mean += SMOOTHING * (seconds - self.mean)
        self.count += 1

    @property
    def limit(self) -> float | None:
        """Duration after which the next one is late; ``None`` as long as too little is known."""
        return self.mean + DEVIATIONS * self.deviation if self.count >= ENOUGH else None


class Load(msgspec.Struct, kw_only=True):
    """Reservations and measurements of one (backend, model). Times are in seconds.

    The router only reads it; whoever dispatches calls :meth:`reserve` and :meth:`release`.
    """

    in_flight: int = 0
    work: int = 0
    """Tokens of work reserved by the requests in flight."""
    speed: float = DEFAULT_SPEED
    """Tokens per second that one request gets."""
    last: int = 0
    """The decision, counted by its turn, that last went here; 0 is never."""
    admission: Lateness = msgspec.field(default_factory=Lateness)
    """How long a peer takes to say that it has a request."""
    slowness: Lateness = msgspec.field(default_factory=Lateness)
    """How many times longer than estimated the first byte takes."""
    ok: int = 0
    failed: int = 0
    cancelled: int = 0
    """Attempts that are over, by how they ended; one that was overtaken by another counts as cancelled."""

    def reserve(self, work: int, turn: int = 0) -> None:
        """A request of ``work`` tokens was sent."""
        self.in_flight += 1
        self.work += work
        self.last = max(self.last, turn)

    def release(self, work: int) -> None:
        """The request is over, however it ended."""
        self.in_flight -= 1
        self.work -= work

    def ended(self, status: int | None, outcome: Outcome) -> None:
        """An attempt is over, with the ``status`` and the ``outcome`` that its decision records."""
        kind = verdict(status, outcome)
        setattr(self, kind, getattr(self, kind) + 1)

    def measured(self, tokens: int, seconds: float) -> None:
        """An answer of ``tokens`` took ``seconds`` from its first byte to its last."""
        if tokens > 1 and seconds > 0:
            self.speed += SMOOTHING * (tokens / seconds - self.speed)


IDLE = Load()
"""The load of a backend that has done nothing yet. Never reserve on it."""
