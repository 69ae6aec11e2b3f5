"""Hints for clients that came by a wrong road: most often their base URL is not ours."""

from __future__ import annotations

import re

from ..backends.dialects import ENDPOINTS

_KNOWN = frozenset({*ENDPOINTS, b"/v1/models"})


def meant(path: bytes) -> bytes | None:
    """The route that ``path`` was meant to be, if there is one.

    >>> meant(b"/chat/completions"), meant(b"//v1/models/"), meant(b"/v1/v1/messages")
    (b'/v1/chat/completions', b'/v1/models', b'/v1/messages')
    """
    plain = re.sub(rb"/+", b"/", path).rstrip(b"/").lower()
    plain = re.sub(rb"^(?:/api|/openai)?(?:/v\d+)*(?=/)", b"", plain)
    known = b"/v1" + plain
    return known if known in _KNOWN and known != path else None
