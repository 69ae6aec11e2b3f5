"""The node's log file, and what is kept out of other logs."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

SIZE = 2 * 1024 * 1024
OLD_FILES = 2
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
"""A pipe in the place of the file fails, where it would wait for a reader without end."""
_ROOT = logging.getLogger("bago")


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """Makes its files for their owner alone, rotated ones too."""

    def _open(self) -> Any:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags | _AT_ONCE, 0o600)

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


_BENEATH = frozenset(
    ("logging", "httpx", "httpcore", "anyio", "asyncio", "contextlib", "filelock", "threading", "concurrent")
)
"""Packages that lie between whoever asks for something and the record that is made of it."""
_TALKERS = (
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
    "asyncio",
    "filelock",
)


class _OnlyTheirs(logging.Filter):
    """Passes what is a warning, or was asked for by anybody but this package."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or not _asked_by_us()


_only_theirs = _OnlyTheirs()


def hush() -> None:
    """Keep what other packages log of our own requests below WARNING out of the log of this process, whatever
    level its root logger has: a notebook with ``logging.basicConfig(level=INFO)`` would see each of them.

    What the same packages do for others is logged as ever.
    """
    for name in _TALKERS:
        logging.getLogger(name).addFilter(_only_theirs)


def _asked_by_us() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        package = name.partition(".")[0]
        if name != __name__ and package not in _BENEATH:
            return package == __package__
        frame = frame.f_back
    return False
