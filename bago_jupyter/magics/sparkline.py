"""A line of numbers as small bars of text."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """One block character for each value: the lowest for nothing only, the highest for the greatest."""
    most = max(values, default=0)
    return "".join(
        BARS[0] if value <= 0 else BARS[max(1, round(value / most * (len(BARS) - 1)))] for value in values
    )
