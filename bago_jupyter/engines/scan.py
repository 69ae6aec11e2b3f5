"""Finding models below a folder: which files belong together, and under which id.

Nothing is passed over in silence that somebody may have taken for a model.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from .modelfile import SPLIT
from .names import shown, unusable
from .safetensors import is_model, weights

DEPTH = 4
"""Folders are followed this deep, links included."""
HUB_ENTRY = "models--"
"""How the folders of models in a cache of Hugging Face begin."""

LINKED = 20_000
"""Files and folders that are looked through behind one link."""

LONGEST_SHOWN = 200
"""Characters of the id under which something is listed that is no model."""

_TOO_LARGE = (
    f"is a link to a folder that is too large to be looked through (more than {LINKED:,} files and folders); "
    "link the folders of the models themselves"
)

Places = frozenset[tuple[int, int]]
"""Device and inode of folders."""


class Found(msgspec.Struct, frozen=True):
    """A model as the directory shows it, before anything is read."""

    id: str
    path: Path
    size: int
    mtime_ns: int
    fault: str | None = None
    """Why it cannot be one, as a sentence."""

    @property
    def stamp(self) -> str:
        """Changes whenever the content may have changed."""
        return f"{self.path}|{self.size}|{self.mtime_ns}"


class _Seen(msgspec.Struct, frozen=True, order=True):
    """Files come first: a folder gives way to the GGUF file of its name."""

    folder: bool
    path: Path
    fault: str | None = None
    """The end of a sentence."""


def scan(root: Path) -> dict[str, Found]:
    """Every candidate below ``root`` by id. Does disk I/O: call it in a thread.

    Raises ``OSError`` if ``root`` is there and cannot be listed.
    """
    found: dict[str, Found] = {}
    refused: list[_Seen] = []
    try:
        seen = sorted(_Walk().below(root))
    except FileNotFoundError:
        return found
    for item in seen:
        id = _id(root, item)
        if item.folder and id in found:
            id += ".safetensors"
        fault = item.fault or unusable(id)
        if fault is None and id in found:
            fault = f"is hidden by {shown(found[id].path.name)}, which has the same name; rename one of them"
        if fault is not None:
            refused.append(msgspec.structs.replace(item, fault=fault))
            continue
        try:
            found[id] = _found(id, item.path)
        except FileNotFoundError:
            continue  # it went away between the listing and the look
        except OSError as error:
            refused.append(msgspec.structs.replace(item, fault=_cannot(error)))
    for item in refused:
        id = shown(_id(root, item))[:LONGEST_SHOWN]
        while id in found:
            id += "'"
        found[id] = _refused(id, item)
    return found


def folders(root: Path) -> list[Path]:
    """``root`` and every folder below it that :func:`scan` looks into. Raises ``OSError`` as that does."""
    walk = _Walk()
    for _ in walk.below(root):
        pass
    return walk.folders


def files_of(path: Path) -> list[Path]:
    """The files of the model at ``path`` that are there; of a split one some may be missing."""
    if path.is_dir():
        return [*weights(path), path / "config.json"]
    match = SPLIT.match(path.name)
    if match is None:
        return [path]
    model = (match["stem"], match["count"])
    return sorted(
        file
        for file in path.parent.iterdir()
        if (other := SPLIT.match(file.name)) and (other["stem"], other["count"]) == model
    )


def _id(root: Path, item: _Seen) -> str:
    name = item.path.relative_to(root)
    if item.folder or not _is_gguf(name.name):
        return name.as_posix()
    match = SPLIT.match(name.name)
    stem = match["stem"] if match else name.stem
    return name.with_name(stem).as_posix()


def _found(id: str, path: Path) -> Found:
    stats = [file.stat() for file in files_of(path)]
    return Found(id, path, sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats))


def _refused(id: str, item: _Seen) -> Found:
    try:
        mtime_ns = item.path.lstat().st_mtime_ns
    except OSError:
        mtime_ns = 0
    return Found(id, item.path, 0, mtime_ns, f"{shown(item.path.name)[:LONGEST_SHOWN]} {item.fault}.")


class _TooLarge(Exception):
    """There is more behind a link than is looked through."""


class _Walk:
    """One way through a folder of models."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        """Those that were looked into."""
        self._left: int | None = None
        """How many entries may follow behind the link that it is behind."""

    def below(self, root: Path) -> Iterator[_Seen]:
        status = root.stat()
        yield from self._list(root, DEPTH, frozenset({(status.st_dev, status.st_ino)}))

    def _list(self, folder: Path, depth: int, above: Places) -> Iterator[_Seen]:
        """GGUF files, folders of safetensors, of a split model the first part there, and what is none."""
        self.folders.append(folder)
        splits: set[tuple[str, str]] = set()
        with os.scandir(folder) as listed:
            entries = sorted(self._counted(listed), key=lambda entry: entry.name)
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(".partial"):
                continue
            path = Path(entry.path)
            try:
                status = entry.stat()
                if stat.S_ISDIR(status.st_mode):
                    place = (status.st_dev, status.st_ino)
                    if place in above:
                        yield _Seen(True, path, "is a link to a folder that it lies in; remove it")
                    elif self._left is None and entry.is_symlink():
                        yield from self._behind(path, depth, above | {place})
                    else:
                        yield from self._folder(path, depth, above | {place})
                elif _is_gguf(entry.name):
                    if not stat.S_ISREG(status.st_mode):
                        yield _Seen(False, path, "is no file but a pipe, a socket or a device; remove it")
                    elif (match := SPLIT.match(entry.name)) is None:
                        yield _Seen(False, path)
                    elif (key := (match["stem"], match["count"])) not in splits:
                        splits.add(key)
                        yield _Seen(False, path)
            except FileNotFoundError:
                if entry.is_symlink():
                    yield _Seen(False, path, "is a link that leads nowhere; mend or remove it")
            except OSError as error:
                yield _Seen(False, path, _cannot(error))

    def _behind(self, path: Path, depth: int, above: Places) -> Iterator[_Seen]:
        """What the link ``path`` leads to, unless that is too much."""
        before = len(self.folders)
        self._left = LINKED
        try:
            found = list(self._folder(path, depth, above))
        except _TooLarge:
            del self.folders[before:]
            found = [_Seen(True, path, _TOO_LARGE)]
        finally:
            self._left = None
        yield from found

    def _folder(self, path: Path, depth: int, above: Places) -> Iterator[_Seen]:
        if is_model(path):
            self.folders.append(path)
            yield _Seen(True, path)
            return
        with os.scandir(path) as listed:
            names = [entry.name for entry in self._counted(listed)]
        if any(name.startswith(HUB_ENTRY) for name in names):
            yield _Seen(
                True,
                path,
                "is a cache of Hugging Face, whose models are not taken over as a whole; "
                "link the .gguf files in the snapshots of its folders one by one",
            )
        elif depth > 1:
            below = list(self._list(path, depth - 1, above))
            if not below and _is_gguf(path.name):
                yield _Seen(True, path, "is a folder, and holds no model; put the file itself here")
            yield from below
            return
        elif any(map(_is_gguf, names)):
            yield _Seen(True, path, f"lies more than {DEPTH - 1} folders deep; move it up")
        self.folders.append(path)

    def _counted(self, listed: Iterable[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        for entry in listed:
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    raise _TooLarge
            yield entry


def _is_gguf(name: str) -> bool:
    return name.lower().endswith(".gguf")


def _cannot(error: OSError) -> str:
    return f"cannot be read: {error.strerror or type(error).__name__}"
