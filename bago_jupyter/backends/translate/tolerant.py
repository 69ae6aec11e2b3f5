"""JSON of servers as the shapes that are read of it, whatever stands where something optional is expected.

What has the right types costs nothing more. The rest is made to fit, field by field: a number where a text is
usual is its digits, a list of parts is the text of them, and what says nothing is left out.
"""

from __future__ import annotations

import functools
import json
import types
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import msgspec

from ...lenient import count, paired, parse, texts

T = TypeVar("T", bound=msgspec.Struct)
AS_JSON = frozenset({"arguments", "partial_json"})
"""Fields whose text is JSON, which some servers send as it is."""


def read(data: bytes, shape: type[T]) -> T:
    """``data`` as ``shape``. Raises :class:`msgspec.DecodeError` for what is no JSON."""
    try:
        return cast(T, _decoder(shape).decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return fitted(decoded(data), shape) or shape()


def decoded(data: bytes) -> Any:
    """The JSON value in ``data``; also one with half characters, control characters and NaN in it, and behind
    a byte order mark.

    Raises :class:`msgspec.DecodeError` for what is no JSON.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return parse(data)
    except ValueError:
        raise msgspec.DecodeError("no JSON") from None


def encoded(value: Any) -> bytes:
    """``value`` as JSON, also where a number is too large or a text not whole."""
    try:
        return msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError):
        return json.dumps(value, separators=(",", ":")).encode()


def text_of(value: Any) -> str:
    """The text that ``value`` says, which may be none: itself, a number, or parts that have a text."""
    return paired(texts(value)[0])


def fitted(value: Any, shape: type[T]) -> T | None:
    """``value`` as ``shape``, ``None`` where it is no object at all."""
    if isinstance(value, shape):
        return value
    if isinstance(value, str) and {"type", "text"} <= set(shape.__struct_fields__):
        return shape(**{"type": "text", "text": paired(value)})  # a text where its block is usual
    if not isinstance(value, dict):
        return None
    given = {}
    for name, kinds in _fields(shape):
        if (told := value.get(name)) is not None and (fit := _fit(name, told, kinds)) is not None:
            given[name] = fit
    return shape(**given)


def _fit(name: str, value: Any, kinds: tuple[Any, ...]) -> Any:
    for kind in kinds:
        if kind is Any:
            return value
        if kind is bool:
            return value if isinstance(value, bool) else None
        if kind is int:
            return count(value)
        if kind is str:
            if name in AS_JSON and isinstance(value, dict | list):
                return encoded(value).decode()
            return text_of(value)
        if get_origin(kind) is list:
            (inner,) = get_args(kind)
            parts = value if isinstance(value, list) else [value]
            return [fit for part in parts if (fit := fitted(part, inner)) is not None]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return fitted(value, kind)
    return None


@functools.cache
def _decoder(shape: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


@functools.cache
def _fields(shape: type[msgspec.Struct]) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """The fields of ``shape``, with what each may be."""
    return tuple((field.name, _kinds(field.type)) for field in msgspec.structs.fields(shape))


def _kinds(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(inner for inner in get_args(kind) if inner is not type(None))
    return (kind,)
