"""The buckets of every histogram of durations, and percentiles from them."""

from __future__ import annotations

from collections.abc import Sequence

BOUNDS = (
    *(round(step * 10.0**decade, 4) for decade in range(-3, 3) for step in (1.0, 1.6, 2.5, 4.0, 6.3)),
    1000.0,
)
"""Upper bounds in seconds, inclusive: five a decade from 1 ms to 1000 s, the preferred numbers R5 of ISO 3.

They never change: histograms of different days and nodes can then be added. One more bucket, the last,
holds what was longer.
"""
BUCKETS = len(BOUNDS) + 1


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The duration in seconds below which ``share`` (0 to 1) of the observations lie.

    ``counts`` are those of each bucket, not cumulated. Linear within the bucket that holds it, so it is off
    by less than that bucket's width; beyond the last bound it is that bound. ``None`` without observations.
    The rule is that of ``histogram_quantile`` in Prometheus.
    """
    total = sum(counts)
    if total == 0:
        return None
    rank = share * total
    below = 0
    for bucket, count in enumerate(counts):
        if count and below + count >= rank:
            if bucket == len(BOUNDS):
                return BOUNDS[-1]
            lower = BOUNDS[bucket - 1] if bucket else 0.0
            return lower + (BOUNDS[bucket] - lower) * (rank - below) / count
        below += count
    return BOUNDS[-1]
