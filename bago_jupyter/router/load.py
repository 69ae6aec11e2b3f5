"""How busy and how fast a backend is with a model."""

from __future__ import annotations

import msgspec

DEFAULT_SPEED = 50.0
"""Tokens per second assumed of a backend that was never measured."""
SMOOTHING = 0.2
"""Share of the newest measurement in the running means."""


class Load(msgspec.Struct, kw_only=True):
    """Reservations and measurements of one (backend, model). Times are in seconds.

    The router only reads it; whoever dispatches calls :meth:`reserve` and :meth:`release`.
    """

    in_flight: int = 0
    work: int = 0
    """Tokens of work reserved by the requests in flight."""
    speed: float = DEFAULT_SPEED
    """Tokens per second that one request gets."""
    latency: float = 0.0
    """Network round trip."""

    def reserve(self, work: int) -> None:
        """A request of ``work`` tokens was sent."""
        self.in_flight += 1
        self.work += work

    def release(self, work: int) -> None:
        """The request is over, however it ended."""
        self.in_flight -= 1
        self.work -= work

    def measured(self, tokens: int, seconds: float) -> None:
        """An answer of ``tokens`` took ``seconds`` from its first byte to its last."""
        if tokens > 1 and seconds > 0:
            self.speed += SMOOTHING * (tokens / seconds - self.speed)

    def finish(self, work: int, slots: int) -> float:
        """Seconds until ``work`` more tokens would be done here."""
        waiting = max(0, self.in_flight - slots + 1) / max(1, self.in_flight) * self.work / max(1, slots)
        return (waiting + work) / self.speed + self.latency


IDLE = Load()
"""The load of a backend that has done nothing yet. Never reserve on it."""
