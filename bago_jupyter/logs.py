"""The node's log file."""

from __future__ import annotations

import logging
import logging.handlers
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZE = 2 * 1024 * 1024
OLD_FILES = 2
_ROOT = logging.getLogger("bago")


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """Makes its files for their owner alone, rotated ones too."""

    def _open(self) -> Any:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=private)


def attach(path: Path, level: str) -> Callable[[], None]:
    """Write the ``bago`` loggers to ``path`` (0600, rotating); call the result to stop.

    Nothing reaches the notebook's output: a thread's print would land in whichever cell runs.
    """
    handler = _PrivateFile(path, "a", SIZE, OLD_FILES, "utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _ROOT.setLevel(level.upper())
    propagated = _ROOT.propagate
    _ROOT.addHandler(handler)
    _ROOT.propagate = False

    def detach() -> None:
        _ROOT.removeHandler(handler)
        _ROOT.propagate = propagated
        handler.close()

    return detach
