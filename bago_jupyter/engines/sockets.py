"""Where runners listen: on Unix sockets in a folder that only this user can enter.

A port of 127.0.0.1 is open to every user of the machine: a key keeps them from the model, but nothing keeps
them from holding every connection that the runner takes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import stat
import sys
import tempfile
from pathlib import Path

FOLDER = "run"
MOST = 100
"""Bytes of a socket's path: ``sun_path`` has 104 on macOS and 108 on Linux."""
NAME = 13
"""Characters of ``/12345678.sock``, without the slash."""
SCHEME = "unix://"
"""How the URL of a socket begins; its path follows."""


class Sockets:
    """Paths for the sockets of one node. Its home has one node, so what lies there from before is dead."""

    def __init__(self, home: Path):
        self._home = home
        self._folder: Path | None = None
        self._tried = False

    def new(self) -> str:
        """A path on which nobody listens, or ``""`` where there can be none: then a port has to do."""
        if not self._tried:
            self._tried = True
            self._folder = self._find()
        return "" if self._folder is None else str(self._folder / f"{secrets.token_hex(4)}.sock")

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder, self._tried = None, False

    def _find(self) -> Path | None:
        if sys.platform == "win32":
            return None
        own = self._home / FOLDER
        if _fits(own) and _prepared(own):
            for old in own.glob("*.sock"):
                old.unlink(missing_ok=True)
            return own
        try:
            other = Path(tempfile.mkdtemp(prefix="bago-"))
        except OSError:
            return None
        if _fits(other) and _prepared(other):
            return other
        shutil.rmtree(other, ignore_errors=True)
        return None


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder)) + 1 + NAME <= MOST


def _prepared(folder: Path) -> bool:
    """Whether it is a folder of ours alone, on a file system that has sockets."""
    probe = folder / f"{secrets.token_hex(4)}.sock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            return False
        folder.chmod(0o700)
        with socket.socket(socket.AF_UNIX) as trial:
            trial.bind(str(probe))
        probe.unlink()
    except OSError:
        return False
    return True
