"""A text that does not show itself."""

from __future__ import annotations

import hmac
import secrets

from ..hidden import MASK


class Secret:
    """Wraps a secret text: ``str``, ``repr``, ``format`` and pickling never give it away.

    It is deliberately no ``str``: an f-string, a log call, ``json`` or ``+`` cannot leak it by
    accident, only :meth:`reveal` does, on purpose. Equality takes constant time. Thread-safe.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str):
        self._text = text

    @classmethod
    def mint(cls, size: int = 32) -> Secret:
        """A new random secret of ``size`` bytes, as base64url without padding."""
        return cls(secrets.token_urlsafe(size))

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> str:
        raise TypeError("A Secret is not pickled or copied into other formats.")
