"""The state directory: what survives a restart, and who runs the node.

Files are written whole or not at all, readable by their owner alone, and end in a line with their SHA-256:
a file that disk, copy or crash has damaged is set aside, and never half believed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import logging
import os
import re
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import filelock
import msgspec

from .errors import BagoError, StateError
from .wire import NodeFile

T = TypeVar("T")

log = logging.getLogger("bago.state")

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SEAL = re.compile(rb"\n# sha256 ([0-9a-f]{64})\n?\Z")
UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, RecursionError, BagoError)
"""What decoding raises for a content that nobody wrote on purpose."""


class Home:
    """One state directory. All methods are thread-safe and may be used by several processes.

    Raises :class:`StateError` where it cannot be made, and for one that others than its owner can write.
    """

    def __init__(self, root: Path):
        self.root = root
        self.notice: Callable[[str], None] = log.warning
        """Told in one sentence what was set aside."""
        try:
            make_folder(root)
            found = root.stat()
        except OSError as error:
            raise StateError(f"Cannot make the state directory {root}: {error.strerror}.") from None
        _check_owner(root, found)

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
        return filelock.FileLock(self.root / "node.lock", thread_local=False, mode=0o600)

    def write(self, name: str, data: bytes, *, sealed: bool = True) -> Path:
        """Replace file ``name`` atomically, mode 0600, with its checksum where it is ``sealed``.

        Raises :class:`StateError`.
        """
        path = self.root / name
        try:
            write_whole(path, seal(data) if sealed else data)
        except OSError as error:
            raise StateError(f"Cannot write {path}: {error.strerror}.") from None
        return path

    def read(self, name: str) -> bytes | None:
        """Content of file ``name``, or ``None`` when there is none. Raises :class:`StateError`."""
        data = self._raw(name)
        try:
            return None if data is None else unseal(data)
        except ValueError as error:
            raise StateError(f"{self.root / name} is damaged: {error}.") from None

    def load(
        self, name: str, decode: Callable[[bytes], T], *, lost: str, blank: bytes | None = None
    ) -> T | None:
        """What ``decode`` makes of file ``name``; ``None`` when there is none.

        A damaged file is kept as ``NAME.damaged``, and :attr:`notice` is told so, with what is ``lost``.
        In its place stands ``blank``, for what must differ from a file that never was; else nothing.
        Raises :class:`StateError` where the home cannot be read or written.
        """
        data = self._raw(name)
        if data is None:
            return None
        try:
            return decode(unseal(data))
        except UNREADABLE:
            pass
        aside = self.root / f"{name}.damaged"
        try:
            write_whole(aside, data)
            if blank is None:
                (self.root / name).unlink()
            else:
                write_whole(self.root / name, seal(blank))
        except OSError as error:
            raise StateError(f"Cannot set {self.root / name} aside: {error.strerror}.") from None
        self.notice(f"{self.root / name} was damaged and is kept as {aside.name}; {lost}.")
        return None if blank is None else decode(blank)

    def remove(self, name: str) -> None:
        """Delete file ``name``, if there is one. Raises :class:`StateError`."""
        try:
            (self.root / name).unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"Cannot remove {self.root / name}: {error.strerror}.") from None

    def read_node(self) -> NodeFile | None:
        """Where the node of this home says it is; it may have died since."""
        data = self._raw("node.json")
        try:
            return None if data is None else msgspec.json.decode(unseal(data), type=NodeFile)
        except UNREADABLE:
            return None

    def write_node(self, node: NodeFile) -> None:
        """Publish where the node is, for the other processes of this home."""
        self.write("node.json", msgspec.json.encode(node))

    def forget_node(self, pid: int) -> None:
        """Remove ``node.json`` if it is still the one that process ``pid`` wrote."""
        node = self.read_node()
        if node is not None and node.pid == pid:
            self.remove("node.json")

    def _raw(self, name: str) -> bytes | None:
        try:
            return read_regular(self.root / name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"Cannot read {self.root / name}: {error.strerror}.") from None


def seal(data: bytes) -> bytes:
    """``data`` and its checksum, in a last line that PEM readers skip."""
    return b"%b\n# sha256 %b\n" % (data, hashlib.sha256(data).hexdigest().encode())


def unseal(data: bytes) -> bytes:
    """The reverse of :func:`seal`; what has no checksum, as earlier versions wrote it, as it is.

    Raises :class:`ValueError` where the checksum is another.
    """
    found = _SEAL.search(data)
    if found is None:
        return data
    content = data[: found.start()]
    if not hmac.compare_digest(hashlib.sha256(content).hexdigest().encode(), found[1]):
        raise ValueError("its checksum is wrong")
    return content


def read_regular(path: Path) -> bytes:
    """Content of the file at ``path``. Raises ``OSError``, also for a pipe or a device: these may not end."""
    check_regular(path)
    return path.read_bytes()


def close(path: Path) -> None:
    """Make a file of this user readable by nobody else, where the disk knows modes."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            found = path.stat()
            if found.st_uid == os.geteuid() and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                path.chmod(0o600)


def check_regular(path: Path) -> None:
    """Raises ``OSError`` for what is neither a file nor a folder, and where there is nothing."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))


def write_whole(path: Path, data: bytes) -> None:
    """Replace ``path`` atomically by a file with ``data``, mode 0600 from the first. Raises ``OSError``."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if os.name == "posix":
                os.fchmod(handle, 0o600)
            file.write(data)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def make_folder(path: Path) -> None:
    """Make ``path`` and what is missing above it, 0700 whatever the umask. Raises ``OSError``."""
    if not path.exists() and path != path.parent:
        make_folder(path.parent)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:  # by another process, in this moment
            pass
        else:
            path.chmod(0o700)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def _check_owner(root: Path, found: os.stat_result) -> None:
    """Who can write a home can be its node: leave keys, peers and an admin token of their own there."""
    if os.name != "posix":
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise StateError(
            f"The home {root} belongs to another user, who could be this node; name another one (BAGO_HOME), "
            f"or make it yours: chown {os.geteuid()} {root}"
        )
    if found.st_mode & OTHERS_WRITE and (found.st_mode & stat.S_ISVTX or found.st_uid != os.geteuid()):
        raise StateError(
            f"{root} is a folder for all users, and cannot be the home of a node; name another one, such as "
            f"{root / 'bago'} (BAGO_HOME)."
        )
    if found.st_mode & OTHERS_WRITE:
        raise StateError(
            f"Other users can write the home {root}, and so could be this node; close it: chmod 700 {root}"
        )
