"""Finding models below a folder: which files belong together, and under which id."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .modelfile import SPLIT
from .safetensors import is_model, weights

DEPTH = 4
"""Folders are followed this deep, links included, so that a circle of links ends."""


class Found(msgspec.Struct, frozen=True):
    """A model as the directory shows it, before anything is read."""

    id: str
    path: Path
    size: int
    mtime_ns: int

    @property
    def stamp(self) -> str:
        """Changes whenever the content may have changed."""
        return f"{self.path}|{self.size}|{self.mtime_ns}"


def scan(root: Path) -> dict[str, Found]:
    """Every candidate below ``root`` by id. Does disk I/O: call it in a thread."""
    found: dict[str, Found] = {}
    for path in sorted(_candidates(root, DEPTH)):
        name = path.relative_to(root)
        if path.is_dir():
            id = name.as_posix()
            if id in found:
                id += ".safetensors"
        else:
            match = SPLIT.match(path.name)
            id = name.with_name(match["stem"] if match else path.stem).as_posix()
        if id in found:
            continue
        try:
            found[id] = _found(id, path)
        except OSError:
            continue  # it went away between the listing and the look
    return found


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


def _found(id: str, path: Path) -> Found:
    stats = [file.stat() for file in files_of(path)]
    return Found(id, path, sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats))


def _candidates(folder: Path, depth: int) -> Iterator[Path]:
    """GGUF files, folders of safetensors, and of a split model the first part that is there."""
    splits: set[tuple[str, str]] = set()
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name.endswith(".partial"):
            continue
        path = Path(entry.path)
        if entry.is_dir():
            if is_model(path):
                yield path
            elif depth > 1:
                yield from _candidates(path, depth - 1)
        elif entry.name.lower().endswith(".gguf") and path.is_file():
            if (match := SPLIT.match(entry.name)) is not None:
                key = (match["stem"], match["count"])
                if key in splits:
                    continue
                splits.add(key)
            yield path
