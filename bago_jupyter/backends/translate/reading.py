"""Reads a client's request before it is translated."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ...errors import InvalidRequest
from ...wire import whole
from .fields import Rule, check

T = TypeVar("T")


def read(body: bytes, shape: type[T], rules: dict[str, Rule], backend: str) -> tuple[T, dict[str, Any]]:
    """``body`` as ``shape`` and as it is.

    Raises :class:`InvalidRequest` for what does not fit the dialect and :class:`Unsupported` by ``rules``.
    """
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The request body is not valid JSON ({error}); send a JSON object.") from None
    if not isinstance(fields, dict):
        raise InvalidRequest("The request body is no JSON object; send one.")
    fields = whole(fields)
    check(fields, rules, backend)
    try:
        return msgspec.convert(fields, shape), fields
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The body does not fit: {error}.") from None


def needed(value: str | None, place: str) -> str:
    """``value``, which must be there. Raises :class:`InvalidRequest` naming ``place``."""
    if not value:
        raise InvalidRequest(f"{place} is missing.", param=place)
    return value


def copied(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """Those of ``names`` that have a value."""
    return {name: fields[name] for name in names if fields.get(name) is not None}
