"""What one shell's magic keeps between calls."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from .errorlog import ErrorLog
from .history import History
from .interpolate import interpolate
from .known import Known
from .show import Screen


class Session:
    """One shell with its conversation, errors and completion cache.

    ``ip`` is ``None`` outside IPython, as for the command line: there are no variables then.
    """

    def __init__(self, ip: Any) -> None:
        self.ip = ip
        self.history = History()
        self.errors = ErrorLog()
        self.known = Known()
        self.screen = Screen(ip)
        self.matcher: Any = None

    def fill(self, text: str, local: Mapping[str, Any] | None = None) -> str:
        """``text`` with the notebook's variables, and those of the calling function, filled in."""
        names = ChainMap(dict(local or {}), self.ip.user_ns)
        return interpolate(text, names, self.errors)

    def assign(self, name: str, value: Any) -> None:
        """Set the notebook's variable ``name``."""
        if self.ip is not None:
            self.ip.user_ns[name] = value
