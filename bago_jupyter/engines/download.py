"""One HTTP download that survives broken connections and restarts."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from .. import logs
from ..errors import PullFailed
from ..state import UNREADABLE, make_folder, seal, unseal
from ..text import clean
from ..wire import Progress
from .offlimits import Guard
from .worker import Worker

if TYPE_CHECKING:
    import httpx

Report = Callable[[Progress], None]

BLOCK = 1 << 20
ATTEMPTS = 5
"""Tries in a row that bring nothing new before the download is given up."""
BACKOFF = 0.5
"""Seconds before the first retry; doubles."""
BACKOFF_MAX = 8.0
MARGIN = 16 << 20
"""Bytes that stay free on the disk."""
_RETRIED = frozenset((408, 425, 429, 500, 502, 503, 504))


class _Saved(msgspec.Struct):
    """Beside the part: which version of which resource it is the beginning of."""

    url: str
    """SHA-256 of the URL, since a URL may hold a key."""
    validator: str


class _Again(Exception):
    """This try failed; another may not."""


async def download(
    url: str,
    part: Path,
    *,
    report: Report,
    headers: Mapping[str, str] | None = None,
    sha256: str | None = None,
    guard: Guard | None = None,
) -> str:
    """Fetch ``url`` into ``part``, going on where an earlier try ended; return the SHA-256 in hex.

    The digest covers every byte of the file, resumed ones included; it is compared with ``sha256``
    if that is given. ``guard`` says where it may not go. Raises :class:`PullFailed`; ``part`` is then kept
    for the next try unless its content is known to be wrong.
    """
    worker = Worker("bago-download")
    fetch = _Fetch(url, part, dict(headers or {}), sha256, report, worker, guard)
    try:
        return await fetch.run()
    finally:
        fetch.stop.set()
        worker.close()


class _Fetch:
    def __init__(
        self,
        url: str,
        part: Path,
        headers: dict[str, str],
        sha256: str | None,
        report: Report,
        worker: Worker,
        guard: Guard | None,
    ):
        self.url = url
        self.part = part
        self.meta = part.with_name(part.name + ".json")
        self.headers = headers
        self.sha256 = sha256
        self.report = report
        self.worker = worker
        self.guard = guard
        self.stop = threading.Event()
        self.have = 0
        self.state = hashlib.sha256()

    async def run(self) -> str:
        import httpx

        logs.hush()
        timeout = httpx.Timeout(30.0, connect=15.0)
        async with httpx.AsyncClient(follow_redirects=True, timeout=timeout) as client:
            client.event_hooks["response"].append(self._check_redirect)
            if self.guard is not None:
                client.event_hooks["request"].append(self.guard.asked)
            saved = await self.worker.call(self._load)
            failures, delay, most = 0, BACKOFF, 0
            while True:
                try:
                    await self._try(client, saved)
                    break
                except (
                    httpx.InvalidURL,
                    httpx.UnsupportedProtocol,
                    httpx.TooManyRedirects,
                    UnicodeError,  # a host that is no international name
                ) as error:
                    raise PullFailed(f"{self._where()} cannot be fetched: {_why(error)}.") from None
                except (httpx.TransportError, _Again) as error:
                    # more than ever before, since a server that lies about the length makes us start over
                    failures = 1 if self.have > most else failures + 1
                    most = max(most, self.have)
                    if failures >= ATTEMPTS:
                        raise PullFailed(f"{self._where()} broke off: {_why(error)}.") from None
                    saved = await self.worker.call(self._read_meta)
                    self._tell(f"Trying again: {_why(error)}.")
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, BACKOFF_MAX)
        digest = self.state.hexdigest()
        if self.sha256 is not None and digest != self.sha256:
            await self.worker.call(self._forget)
            raise PullFailed(f"{self._where()} has SHA-256 {digest}, expected was {self.sha256}.")
        return digest

    async def _try(self, client: httpx.AsyncClient, saved: _Saved | None) -> None:
        headers = {**self.headers, "accept-encoding": "identity"}
        if self.have and saved is not None:
            headers["range"] = f"bytes={self.have}-"
            headers["if-range"] = saved.validator
        elif self.have:
            await self.worker.call(self._restart)
        async with client.stream("GET", self.url, headers=headers) as response:
            total = await self._accept(response, saved)
            if total is not None:
                await self.worker.call(check_space, self.part.parent, total - self.have, self._where())
            self._tell(None, total)
            with await self.worker.call(self.part.open, "ab") as file:
                buffer = bytearray()
                try:
                    async for chunk in response.aiter_raw():
                        buffer += chunk
                        if len(buffer) >= BLOCK:
                            block, buffer = bytes(buffer), bytearray()
                            await self._write(file, block, total)
                finally:
                    # what has arrived counts, also when the transfer breaks here
                    if buffer:
                        await self._write(file, bytes(buffer), total)
            if total is not None and self.have != total:
                if self.have > total:
                    await self.worker.call(self._restart)
                raise _Again(f"{self.have} of {total} bytes came")

    async def _check_redirect(self, response: httpx.Response) -> None:
        """Refuse to be sent anywhere but to another web server: no retry would lead elsewhere."""
        import httpx

        if not response.has_redirect_location:
            return
        try:
            target = response.url.join(response.headers["location"])
        except (httpx.InvalidURL, ValueError):
            raise PullFailed(f"{self._where()} cannot be fetched: it leads to what is no URL.") from None
        if target.scheme not in ("http", "https") or not target.host:
            raise PullFailed(
                f"{self._where()} cannot be fetched: it leads to a {target.scheme[:20]}: address, "
                "and only http and https are followed."
            )

    async def _accept(self, response: httpx.Response, saved: _Saved | None) -> int | None:
        """Check the answer's head and make the part fit it; returns the size of the whole, if told."""
        status = response.status_code
        if status in _RETRIED:
            raise _Again(f"the server answered {status}")
        if status == 416 and self.have:
            await self.worker.call(self._restart)
            raise _Again("the part at hand does not fit the file any more")
        if status not in (200, 206):
            hint = " (is a token needed?)" if status in (401, 403) else ""
            raise PullFailed(f"{self._where()} cannot be fetched: the server answered {status}{hint}.")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise PullFailed(f"{self._where()} cannot be fetched: the server insists on compressing it.")
        total = _number(response.headers.get("content-length", ""))
        if status == 206:
            start, whole = _content_range(response.headers.get("content-range", ""))
            if start != self.have:
                await self.worker.call(self._restart)
                raise _Again("the server sent another range than it was asked for")
            return whole if whole is not None else None if total is None else self.have + total
        await self.worker.call(self._restart)
        validator = _validator(response.headers)
        if validator is not None:
            await self.worker.call(self._save, _Saved(_sha(self.url), validator))
        return total

    async def _write(self, file: BinaryIO, data: bytes, total: int | None) -> None:
        def write() -> None:
            check_growth(self.part.parent, len(data), self._where())
            file.write(data)
            file.flush()
            self.state.update(data)

        job = asyncio.ensure_future(self.worker.call(write))
        try:
            await asyncio.shield(job)
        except OSError as error:
            raise disk_error(error, self.part.parent) from None
        except asyncio.CancelledError:
            await asyncio.wait([job])  # the file is closed next
            raise
        self.have += len(data)
        self._tell(None, total)

    def _load(self) -> _Saved | None:
        """Take over a part of an earlier run, if it can be told what it is a part of."""
        make_folder(self.part.parent)
        saved = self._read_meta()
        if saved is None or not self.part.is_file():
            self._restart()
            return None
        with self.part.open("rb") as file:
            while (block := file.read(BLOCK)) and not self.stop.is_set():
                self.state.update(block)
                self.have += len(block)
        return saved

    def _read_meta(self) -> _Saved | None:
        try:
            saved = msgspec.json.decode(unseal(self.meta.read_bytes()), type=_Saved)
        except (OSError, *UNREADABLE):
            return None
        return saved if saved.url == _sha(self.url) and _sendable(saved.validator) else None

    def _save(self, saved: _Saved) -> None:
        self.meta.write_bytes(seal(msgspec.json.encode(saved)))

    def _restart(self) -> None:
        self.have = 0
        self.state = hashlib.sha256()
        self._forget()

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.meta.unlink(missing_ok=True)

    def _tell(self, message: str | None, total: int | None = None) -> None:
        self.report(Progress(stage="downloading", done=self.have, total=total, message=message))

    def _where(self) -> str:
        """The URL without what may be secret in it."""
        import httpx

        with contextlib.suppress(httpx.InvalidURL, UnicodeError):
            url = httpx.URL(self.url)
            return f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}{url.path}"
        return "The URL"


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise :class:`PullFailed` unless ``needed`` bytes fit on the disk of ``folder``."""
    free = shutil.disk_usage(folder).free
    if needed + MARGIN > free:
        raise PullFailed(
            f"{what} needs {needed / 1e6:.0f} MB, but {folder} has {free / 1e6:.0f} MB free; "
            "free some space and pull again."
        )


def check_growth(folder: Path, more: int, what: str) -> None:
    """Raise :class:`PullFailed` if ``more`` bytes of what grows there would leave less than :data:`MARGIN`.

    Its length may be unknown, and others write to the disk as well.
    """
    if shutil.disk_usage(folder).free < more + MARGIN:
        raise PullFailed(
            f"{what} does not fit: the disk of {folder} is full; free some space and pull again."
        )


def disk_error(error: OSError, folder: Path) -> PullFailed:
    """The error to show for ``error`` of a pull into ``folder``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PullFailed(f"The disk of {folder} is full; free some space and pull again.")
    name = error.filename
    if isinstance(name, str) and not Path(name).is_relative_to(folder):
        return PullFailed(f"Cannot read {clean(name, 200)}: {error.strerror or error}.")
    return PullFailed(f"Cannot write to {folder}: {error.strerror or error}.")


def _validator(headers: httpx.Headers) -> str | None:
    """What If-Range may carry (RFC 9110, 13.1.5): a strong ETag, else the date; what httpx cannot send is
    none."""
    etag = headers.get("etag", "")
    found = headers.get("last-modified", "") if etag.startswith("W/") or not _sendable(etag) else etag
    return str(found) if _sendable(found) else None


def _sendable(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _content_range(value: str) -> tuple[int | None, int | None]:
    """Start and size of the whole of ``bytes start-end/size``."""
    unit, _, rest = value.partition(" ")
    span, _, whole = rest.partition("/")
    start = _number(span.partition("-")[0])
    if unit.lower() != "bytes" or start is None:
        return None, None
    return start, _number(whole)


def _number(text: str) -> int | None:
    """A number of bytes out of a head, if that is what it is."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _why(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")
