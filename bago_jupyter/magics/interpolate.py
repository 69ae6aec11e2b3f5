"""Variables in prompts: ``{name}``, ``{In[n]}``, ``{Out[n]}``, ``{Err[n]}``.

Only these forms are touched, so that JSON, code and other braces go through as typed; there is
no attribute access and no call. ``{{name}}`` gives ``{name}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .quiet import Usage

LIMIT = 8000
"""Longest text of a value that is not a string, in characters."""
_ROWS = 60
_FORM = r"(?:(?:In|Out|Err)\[-?\d+\]|[^\W\d]\w*)"
_REFERENCE = re.compile(r"\{(\{" + _FORM + r"\})\}|\{(" + _FORM + r")\}")
_INDEXED = re.compile(r"(In|Out|Err)\[(-?\d+)\]")


def interpolate(text: str, names: Mapping[str, Any], errors: Mapping[int, str]) -> str:
    """``text`` with its references filled in from ``names`` (the notebook's) and ``errors``.

    Unknown names stay as they are. Raises :class:`~.quiet.Usage` where ``In``, ``Out`` or
    ``Err`` has no such number.
    """

    def fill(match: re.Match[str]) -> str:
        escaped, reference = match[1], match[2]
        if escaped:
            return str(escaped)
        if indexed := _INDEXED.fullmatch(reference):
            return render(_numbered(indexed[1], int(indexed[2]), names, errors))
        return render(names[reference]) if reference in names else str(match[0])

    return _REFERENCE.sub(fill, text)


def render(value: Any) -> str:
    """``value`` as a model reads it best: strings whole, tables as text, the rest by ``repr``, bounded."""
    if isinstance(value, str):
        return value
    try:
        text = value.to_string(max_rows=_ROWS) if _is_table(value) else repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"
    if len(text) > LIMIT:
        text = f"{text[:LIMIT]}... ({len(text) - LIMIT} characters cut)"
    return text


def _is_table(value: Any) -> bool:
    """Whether it is a pandas DataFrame or Series, without importing pandas for the question."""
    return not isinstance(value, type) and all(
        hasattr(value, name) for name in ("to_string", "shape", "index")
    )


def _numbered(kind: str, number: int, names: Mapping[str, Any], errors: Mapping[int, str]) -> Any:
    known: dict[int, Any] = {}
    if kind == "Err":
        known = dict(errors)
    elif not isinstance(held := names.get(kind, ()), list if kind == "In" else dict) and held != ():
        raise Usage(f"{kind} is a variable of this notebook now, and not what its cells had; rename yours.")
    elif isinstance(held, dict):
        known = {n: value for n, value in held.items() if isinstance(n, int)}
    else:
        known = {n: text for n, text in enumerate(held) if 0 < n < max(len(held) - 1, 1)}
    wanted = number
    if number < 0:
        keys = sorted(known)
        wanted = keys[number] if -number <= len(keys) else number
    if wanted not in known:
        what = {"In": "input", "Out": "output", "Err": "error"}[kind]
        shown = ", ".join(str(n) for n in sorted(known)[-8:]) or "none yet"
        raise Usage(f"There is no {what} {kind}[{number}]; cells that have one: {shown}.")
    return known[wanted]
