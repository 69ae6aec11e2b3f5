"""The state directory: what survives a restart, and who runs the node.

Files are written whole or not at all, and readable by their owner alone.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import filelock
import msgspec

from .errors import StateError
from .wire import NodeFile


class Home:
    """One state directory. All methods are thread-safe and may be used by several processes."""

    def __init__(self, root: Path):
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StateError(f"Cannot make the state directory {root}: {error.strerror}.") from None

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def log(self) -> Path:
        return self.root / "node.log"

    def lock(self) -> filelock.BaseFileLock:
        """A handle on ``node.lock``; its holder runs the node.

        The lock is the operating system's (flock), so it ends with its process however that dies.
        """
        return filelock.FileLock(self.root / "node.lock", thread_local=False)

    def write(self, name: str, data: bytes) -> Path:
        """Replace file ``name`` atomically, mode 0600. Raises :class:`StateError`."""
        path = self.root / name
        temporary = None
        try:
            handle, temporary = tempfile.mkstemp(dir=self.root, prefix=f".{name}.")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            raise StateError(f"Cannot write {path}: {error.strerror}.") from None
        return path

    def read(self, name: str) -> bytes | None:
        """Content of file ``name``, or ``None`` when there is none."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"Cannot read {self.root / name}: {error.strerror}.") from None

    def read_node(self) -> NodeFile | None:
        """Where the node of this home says it is; it may have died since."""
        data = self.read("node.json")
        try:
            return None if data is None else msgspec.json.decode(data, type=NodeFile)
        except msgspec.DecodeError:
            return None

    def write_node(self, node: NodeFile) -> None:
        """Publish where the node is, for the other processes of this home."""
        self.write("node.json", msgspec.json.encode(node))

    def forget_node(self, pid: int) -> None:
        """Remove ``node.json`` if it is still the one that process ``pid`` wrote."""
        node = self.read_node()
        if node is not None and node.pid == pid:
            (self.root / "node.json").unlink(missing_ok=True)
