"""Connections from other machines that have shown no right to be here: how many there may be."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

log = logging.getLogger("bago.http")

PER_ADDRESS = 64
"""Connections of one address."""
MOST = 4096
"""Connections of all addresses, where the process may open that many files."""
QUIET = 60.0
"""Seconds between two lines in the log about it."""


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own loopback."""
    return host == "::1" or host.startswith("127.")


def cap() -> int:
    """Connections of strangers that this process can hold: half of the files that it may open."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else max(1, min(MOST, soft // 2))


class Strangers:
    """Counts them. This machine itself is never one. Belongs to the listener's loop."""

    def __init__(self) -> None:
        self._host_of: dict[object, str] = {}
        """Connections, the oldest first."""
        self._of_host: dict[str, dict[object, None]] = {}
        """The same by address."""
        self._quiet_until = 0.0

    def __len__(self) -> int:
        return len(self._host_of)

    def arrived(self, thing: object, host: str) -> Iterator[object]:
        """A connection comes from ``host``: those that have to be closed for that.

        They are the oldest: whoever has a right to be here shows it soon, and is none of these any more.
        """
        if is_loopback(host):
            return
        if len(self._of_host.get(host, ())) >= PER_ADDRESS:
            self._say(f"{host} has {PER_ADDRESS} connections without a key: its oldest are closed")
            oldest = next(iter(self._of_host[host]))
            self.forget(oldest)
            yield oldest
        self._add(thing, host)
        while len(self._host_of) > cap():
            self._say(f"{cap()} connections without a key are open: the oldest are closed")
            oldest = next(iter(self._host_of))
            self.forget(oldest)
            yield oldest

    def became(self, thing: object, other: object | None) -> None:
        """``thing`` is known as ``other`` from now on; ``None`` is gone, or no stranger."""
        host = self._host_of.get(thing)
        self.forget(thing)
        if host is not None and other is not None:
            self._add(other, host)

    def forget(self, thing: object) -> None:
        """It is gone, or no stranger."""
        host = self._host_of.pop(thing, None)
        if host is not None:
            del self._of_host[host][thing]
            if not self._of_host[host]:
                del self._of_host[host]

    def _add(self, thing: object, host: str) -> None:
        self._host_of[thing] = host
        self._of_host.setdefault(host, {})[thing] = None

    def _say(self, what: str) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET
            log.warning("%s; said once a minute.", what)
