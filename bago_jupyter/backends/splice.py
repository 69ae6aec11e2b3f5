"""Changing one field of a JSON body without rebuilding it."""

from __future__ import annotations

import json
import re
from functools import lru_cache

import msgspec


def replace_model(body: bytes, old: str, new: str) -> bytes:
    """``body`` with its top-level ``model`` changed from ``old`` to ``new``.

    The value is cut out where it stands; only where that is ambiguous is the body decoded. ``body`` must
    be a JSON object that has the field.
    """
    found = list(_pattern(old).finditer(body))
    if len(found) == 1:
        start, end = found[0].span(1)
        return body[:start] + json.dumps(new).encode() + body[end:]
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    fields["model"] = msgspec.Raw(json.dumps(new).encode())
    return msgspec.json.encode(fields)


@lru_cache(256)
def _pattern(model: str) -> re.Pattern[bytes]:
    spellings = {json.dumps(model).encode(), json.dumps(model, ensure_ascii=False).encode()}
    return re.compile(rb'"model"\s*:\s*(' + b"|".join(map(re.escape, sorted(spellings))) + rb")(?=\s*[,}])")
