"""Secrets of this node that others may repeat to it, known by their look wherever they turn up."""

from __future__ import annotations

from collections import OrderedDict

MASK = "***"
SHORTEST = 12
"""Characters of a secret that is looked for everywhere; a shorter one may be a word."""
MOST = 1024
"""Secrets that are looked for, the newest: tokens of services are made anew each day."""

_secrets: OrderedDict[str, None] = OrderedDict()


def hide(secret: str) -> None:
    """Look for ``secret`` from now on. Belongs to the node's loop."""
    if len(secret) >= SHORTEST:
        _secrets[secret] = None
        _secrets.move_to_end(secret)
        if len(_secrets) > MOST:
            _secrets.popitem(last=False)


def unrepeated(text: str) -> str:
    """``text`` without any of them. Thread-safe."""
    for secret in list(_secrets):
        if secret in text:
            text = text.replace(secret, MASK)
    return text
