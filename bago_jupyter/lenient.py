"""Fields of answers that strangers wrote: any may be null, missing or of another type than usual."""

from __future__ import annotations

import json
import re
from typing import Any

MOST = 10**9
"""More tokens, or tokens a second, than any answer has."""
_DEPTH = 4
"""Levels of lists and objects below which no text is looked for."""
_QUOTED = 200
"""Characters of a body that are repeated."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
_UNSEEN = re.compile(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>")
_SAYING = ("message", "detail", "msg", "error_description", "error", "title", "text")
"""Fields in which servers say what is wrong."""


def parse(data: bytes) -> Any:
    """``data`` as JSON, whatever is no UTF-8 in it and however large its numbers. Raises ``ValueError``."""
    text = data.decode("utf-8-sig", "replace")
    try:
        return json.loads(text, parse_int=_number, strict=False)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def first(data: bytes) -> Any:
    """The JSON value with which ``data`` begins, whatever is behind it. Raises ``ValueError``."""
    try:
        return _FIRST.raw_decode(data.decode("utf-8-sig", "replace").lstrip())[0]
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


_FIRST = json.JSONDecoder(parse_int=_number, strict=False)


def items(value: Any) -> list[dict[str, Any]]:
    """The objects in a list of them, or the one that stands there alone."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: Any, depth: int = _DEPTH) -> tuple[str, str]:
    """Text and reasoning of a content: a string, a number, one part or a list of parts."""
    if isinstance(value, str):
        return value, ""
    if isinstance(value, bool) or not depth:
        return "", ""
    if isinstance(value, int | float):
        return str(value), ""
    if isinstance(value, list):
        told = [texts(item, depth - 1) for item in value]
        return "".join(text for text, _ in told), "".join(thought for _, thought in told)
    if isinstance(value, dict):
        thought = "".join(texts(value.get("thinking"), depth - 1))
        said = (value.get("text"), value.get("refusal"), value.get("value"))
        text = "".join("".join(texts(it, depth - 1)) for it in said)
        return ("", thought + text) if value.get("type") in ("thinking", "reasoning") else (text, thought)
    return "", ""


def added(before: str, message: str, pieces: bool) -> str:
    """What a whole ``message`` in a stream says beyond the text ``before`` it: some servers tell all of it
    with each event, and some once more behind the ``pieces`` of it."""
    if message.startswith(before):
        return message[len(before) :]
    return "" if pieces else message


def paired(text: str) -> str:
    """``text`` with each pair of surrogates as the character that it is, and ``U+FFFD`` for half of one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def halved(text: str) -> tuple[str, str]:
    """``text`` with its characters :func:`paired`, and the half of one at its end: servers that write a
    character in two halves may send them one by one."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    return paired(text.removesuffix(half)), half


def count(value: Any) -> int | None:
    """A number of tokens, or ``None`` for what cannot be one."""
    told = figure(value)
    return None if told is None else int(told)


def figure(value: Any) -> float | None:
    """A number from 0 to :data:`MOST`, also one in words; ``None`` for anything else."""
    if isinstance(value, str) and len(value) <= 20:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= MOST else None


def failure(event: dict[str, Any]) -> Any:
    """What an event or a body gives as its error; ``None`` where it tells of none."""
    error = event.get("error")
    if error and isinstance(error, str | dict | list):
        return error
    if error is True or "error" in (event.get("object"), event.get("type")):
        return event
    return None


def sentence(value: Any, depth: int = _DEPTH) -> str | None:
    """What an error says, as one line; ``None`` where it says nothing."""
    if isinstance(value, str):
        return " ".join(_CONTROL.sub(" ", value).split()) or None
    if not depth:
        return None
    if isinstance(value, dict):
        value = [value.get(name) for name in _SAYING]
    if isinstance(value, list):
        return next((said for item in value if (said := sentence(item, depth - 1))), None)
    return None


def quoted(body: bytes) -> str:
    """The beginning of a body that is no answer, as people read it: of a page its text."""
    text = body[: 64 * _QUOTED].decode("utf-8-sig", "replace")
    if text.lstrip().startswith("<"):
        text = _UNSEEN.sub(" ", text)
    said = sentence(text) or ""
    return said if len(said) <= _QUOTED else f"{said[:_QUOTED]}..."
