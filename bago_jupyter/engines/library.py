"""The models of a node: a watched folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ..errors import ModelFileError, ModelNotFound
from ..router.names import Names
from ..state import UNREADABLE, make_folder, seal, unseal, write_whole
from ..wire import moment
from .modelfile import ModelFile, digest, read_model
from .names import shown
from .scan import Found, files_of, scan
from .watch import Watch
from .worker import Worker

log = logging.getLogger("bago.library")

SETTLE = 2.0
"""Seconds without a change after which an unreadable file is broken; before, it may still be copied."""

VERSION = 2
"""Of the cache; another one is read anew, since more is looked at by now."""


class _Cache(msgspec.Struct):
    version: int
    models: dict[str, ModelFile] = {}
    """By ``Found.stamp``."""


class Library:
    """Keeps ``models`` true to what lies below ``root``. Belongs to the loop that started it."""

    def __init__(self, root: Path, cache: Path, on_change: Callable[[], None]):
        self.root = root
        self.models: Mapping[str, ModelFile] = {}
        self.broken: Mapping[str, str] = {}
        """By id, one sentence for each file that looks like a model and is none."""
        self._cache_path = cache
        self._on_change = on_change
        self._known: dict[str, ModelFile] = {}
        self._found: dict[str, Found] = {}
        self._first: dict[str, float] = {}
        """When a file whose time lies in the future was first seen, by ``Found.stamp``."""
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._watch: Watch | None = None
        self._reader = Worker("bago-library")
        self._digester = Worker("bago-digest", niceness=10)
        self._stop = threading.Event()

    async def start(self) -> None:
        """Make the folder, scan it once and begin to watch. Raises ``OSError`` if it cannot be made."""
        loop = asyncio.get_running_loop()
        await self._reader.call(make_folder, self.root)
        self._known = await self._reader.call(self._read_cache)
        self._watch = Watch(self.root, lambda: _hand_over(loop, self._wake.set))
        self._watch.start()
        await self.rescan()
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._digest())]

    async def stop(self) -> None:
        """Stop watching; a digest under way is given up."""
        self._stop.set()
        if self._watch is not None:
            self._watch.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._reader.close()
        self._digester.close()

    def get(self, id: str) -> ModelFile:
        """The model called ``id``. Raises :class:`ModelNotFound`; :class:`ModelFileError` if it is broken."""
        if (model := self.models.get(id)) is not None:
            return model
        if (sentence := self.broken.get(id)) is not None:
            raise ModelFileError(sentence)
        names = sorted(self.models)
        known = Names(names)
        if (only := known.only(id)) is not None:
            return self.models[only]
        near = known.near(id)
        if near is not None:
            hint = f" Did you mean {near}?"
        elif names:
            hint = f" There are: {', '.join(names[:10])}{'...' if len(names) > 10 else ''}."
        else:
            hint = " The library is empty; pull a model first."
        raise ModelNotFound(f"There is no model {id!r} here.{hint}", param="model")

    def created(self, id: str) -> int | None:
        """When the files of model ``id`` were last written, as a Unix time."""
        found = self._found.get(id)
        return moment(found.mtime_ns // 10**9) if found is not None else None

    async def rescan(self) -> None:
        """Bring ``models`` and ``broken`` up to date with the folder."""
        async with self._lock:
            found = await self._reader.call(scan, self.root)
            models: dict[str, ModelFile] = {}
            broken: dict[str, str] = {}
            unsettled = False
            for id, item in found.items():
                if item.fault is not None:
                    broken[id] = item.fault
                    continue
                model = self._known.get(item.stamp)
                if model is None:
                    try:
                        model = await self._reader.call(read_model, item.path, id)
                    except Exception as error:  # whatever one file does to its reader, the others are read
                        if not isinstance(error, ModelFileError | OSError):
                            log.exception("Could not read %s", shown(str(item.path)))
                        if self._settles(item):
                            unsettled = True  # it may be copied still
                        else:
                            broken[id] = shown(_sentence(id, error))
                        continue
                    model = msgspec.structs.replace(model, stamp=item.stamp)
                models[id] = model
            self._found = found
            stamps = {item.stamp for item in found.values()}
            self._first = {stamp: at for stamp, at in self._first.items() if stamp in stamps}
            self._known = {found[id].stamp: model for id, model in models.items()}
            if unsettled:
                asyncio.get_running_loop().call_later(SETTLE / 4, self._wake.set)
            if models != self.models or broken != self.broken:
                self.models, self.broken = models, broken
                self._on_change()
                await self._reader.call(self._write_cache, dict(self._known))

    async def remove(self, id: str) -> None:
        """Delete the files of model ``id`` (a link: the link). Raises :class:`ModelNotFound`."""
        model = self.models.get(id)
        found = self._found[id] if id in self.broken else None
        path = model.path if model else found.path if found else self.get(id).path
        if found and found.fault and path.is_dir() and not path.is_symlink():
            raise ModelFileError(f"{id} is a folder that holds more than a model; delete it yourself.")
        if not path.parent.resolve().is_relative_to(self.root.resolve()):
            raise ModelFileError(f"{id} lies outside the library, behind a link; delete it there.")
        await self._reader.call(_delete, path)
        await self.rescan()

    def _settles(self, item: Found) -> bool:
        """Whether a file that cannot be read may change yet; the clock of its disk may be ahead."""
        age = time.time() - item.mtime_ns / 1e9
        if age < 0:
            age = time.monotonic() - self._first.setdefault(item.stamp, time.monotonic())
        return age < SETTLE

    async def _follow(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.rescan()
            except Exception:
                log.exception("Could not scan %s", self.root)
                await asyncio.sleep(1.0)

    async def _digest(self) -> None:
        """Compute the missing digests, one after another; smallest first, so that most are soon known."""
        skip: set[str] = set()
        while True:
            todo = [
                (model.size, id)
                for id, model in self.models.items()
                if model.digest is None and self._found[id].stamp not in skip
            ]
            if not todo:
                await asyncio.sleep(0.25)
                continue
            id = min(todo)[1]
            found = self._found[id]
            try:
                value = await self._digester.call(digest, found.path, self._stop)
            except (OSError, ModelFileError):
                value = None
            except Exception:
                log.exception("Could not compute the digest of %s", id)
                value = None
            async with self._lock:
                model = self.models.get(id)
                if value is None or model is None or self._found[id].stamp != found.stamp:
                    skip.add(found.stamp)
                    continue
                model = msgspec.structs.replace(model, digest=value)
                self.models = {**self.models, id: model}
                self._known[found.stamp] = model
                self._on_change()
                await self._reader.call(self._write_cache, dict(self._known))

    def _read_cache(self) -> dict[str, ModelFile]:
        try:
            data = unseal(self._cache_path.read_bytes())
            cache = msgspec.json.decode(data, type=_Cache, dec_hook=_decode)
        except (OSError, *UNREADABLE):  # it is only faster with it
            return {}
        return cache.models if cache.version == VERSION else {}

    def _write_cache(self, known: dict[str, ModelFile]) -> None:
        data = msgspec.json.encode(_Cache(version=VERSION, models=known), enc_hook=str)
        try:
            write_whole(self._cache_path, seal(data))
        except OSError as error:
            log.warning("Cannot write %s: %s", self._cache_path, error.strerror)


def _sentence(id: str, error: Exception) -> str:
    if isinstance(error, ModelFileError):
        return error.message
    why = error.strerror if isinstance(error, OSError) else None
    return f"{id} cannot be read: {why or str(error) or type(error).__name__}."


def _decode(kind: type, value: object) -> object:
    return Path(str(value)) if issubclass(kind, Path) else value


def _delete(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        for file in files_of(path):
            file.unlink(missing_ok=True)


def _hand_over(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(function)
