"""Numbers as JSON has them: one kind, written with a point or without."""

from __future__ import annotations

from typing import Any

EXACT = 1 << 53
"""Up to here a float is exactly the whole number that it says (IEEE 754, binary64)."""


def whole(fields: dict[str, Any]) -> dict[str, Any]:
    """``fields`` with every float that is a whole number as an int: 16.0 is 16."""
    return {
        name: int(value) if type(value) is float and value.is_integer() and abs(value) <= EXACT else value
        for name, value in fields.items()
    }


LONGEST_CONTEXT = 1 << 40
"""Tokens; a file or a stranger that claims more is not believed."""
LAST_SECOND = 253_402_300_799
"""Of the year 9999."""


def moment(value: Any) -> int | None:
    """``value`` as a Unix time, where it is one; several servers say 0 for what they do not know."""
    if isinstance(value, int | float) and 0 < value <= LAST_SECOND:
        return int(value)
    return None
