"""Statistics: what was asked, and how it went."""

from __future__ import annotations

from .base import Message


class StatsRow(Message, kw_only=True, omit_defaults=True):
    """The requests of one group. The names that it was not grouped by are ``None``.

    Percentiles are read from histograms, so they are right to within a bucket of theirs.
    """

    model: str | None = None
    node: str | None = None
    """Where they were answered; empty for those that nobody was asked for."""
    caller: str | None = None
    dialect: str | None = None
    requests: int
    ok: int
    failed: int
    cancelled: int
    """Given up by the client."""
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float | None = None
    """How fast the tokens of one streamed answer came after its first."""
    first_token_mean: float | None = None
    """Seconds from the request to the first token, of streamed answers."""
    first_token_p50: float | None = None
    first_token_p95: float | None = None
    first_token_p99: float | None = None
    latency_mean: float | None = None
    """Seconds from the request to the end of its answer, of complete answers."""
    latency_p50: float | None = None
    latency_p95: float | None = None
    latency_p99: float | None = None


class StatsSeries(Message, kw_only=True, omit_defaults=True):
    """The requests of one group over time, one number for each step of ``step`` seconds from ``start`` on."""

    model: str | None = None
    node: str | None = None
    caller: str | None = None
    dialect: str | None = None
    start: float
    step: float
    requests: list[int]
    failed: list[int]
    cancelled: list[int]
    prompt_tokens: list[int]
    completion_tokens: list[int]
    tokens_per_second: list[float | None]
    first_token_p50: list[float | None]
    first_token_p95: list[float | None]
    latency_p50: list[float | None]
    latency_p95: list[float | None]
