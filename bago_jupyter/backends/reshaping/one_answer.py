"""A whole answer without what some servers put around it."""

from __future__ import annotations

from typing import Any

from ...lenient import first, parse
from ..translate.tolerant import encoded

_SAYING = frozenset({"choices", "content", "output"})


def one_answer(body: bytes) -> bytes | None:
    """The answer in ``body``: what is alone in a list, or has something behind it that is no JSON; ``body``
    itself where it is nothing but JSON. ``None`` where it holds no whole value."""
    try:
        told = parse(body)
    except ValueError:
        pass
    else:
        alone = isinstance(told, list) and len(told) == 1 and _says(told[0])
        return encoded(told[0]) if alone else body
    try:
        told = first(body)
    except ValueError:
        return None
    return encoded(told) if _says(told) else None


def _says(told: Any) -> bool:
    return isinstance(told, dict) and any(told.get(name) for name in _SAYING)
