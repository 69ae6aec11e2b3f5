"""What both sides of a protocol must have seen alike, as one digest.

Every value is hashed with its name and both lengths, after a label that names protocol, version and
message; so no two different sequences of values give the same input to SHA-256, and no digest of one
message can stand for another.
"""

from __future__ import annotations

import hashlib
import hmac

VERSION = 1
"""Version of every protocol in this package; part of every transcript."""


class Transcript:
    """Append-only: ``Transcript("key request").add("nonce", nonce).digest()``."""

    def __init__(self, label: str):
        self._hash = hashlib.sha256()
        self._put(f"bago trust {VERSION}".encode())
        self._put(label.encode())

    def add(self, name: str, value: bytes | str) -> Transcript:
        """Append ``value`` under ``name``."""
        self._put(name.encode())
        self._put(value.encode() if isinstance(value, str) else value)
        return self

    def digest(self) -> bytes:
        """32 bytes over everything added so far."""
        return self._hash.digest()

    def _put(self, data: bytes) -> None:
        self._hash.update(len(data).to_bytes(8, "big"))
        self._hash.update(data)


def mac(key: bytes, label: str, data: bytes) -> bytes:
    """HMAC-SHA-256 over ``data`` in the role ``label``."""
    return hmac.digest(key, Transcript(label).add("data", data).digest(), "sha256")


def same(a: bytes, b: bytes) -> bool:
    """Whether ``a`` and ``b`` are equal, in constant time."""
    return hmac.compare_digest(a, b)
