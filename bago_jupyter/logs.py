"""The node's log file."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Callable
from pathlib import Path

SIZE = 2 * 1024 * 1024
OLD_FILES = 2
_ROOT = logging.getLogger("bago")


def attach(path: Path, level: str) -> Callable[[], None]:
    """Write the ``bago`` loggers to ``path`` (0600, rotating); call the result to stop.

    Nothing reaches the notebook's output: a thread's print would land in whichever cell runs.
    """
    path.touch(0o600)
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=SIZE, backupCount=OLD_FILES, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _ROOT.addHandler(handler)
    _ROOT.setLevel(level.upper())
    propagated, _ROOT.propagate = _ROOT.propagate, False

    def detach() -> None:
        _ROOT.removeHandler(handler)
        _ROOT.propagate = propagated
        handler.close()

    return detach
