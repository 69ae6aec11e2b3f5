"""Connections from other machines that have shown no right to be here: how many there may be."""

from __future__ import annotations

import logging
import time
from collections import Counter
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
        self._by_host: Counter[str] = Counter()
        self._quiet_until = 0.0

    def __len__(self) -> int:
        return len(self._host_of)

    def arrived(self, thing: object, host: str) -> Iterator[object]:
        """A connection comes from ``host``: who has to be closed for that, which may be itself."""
        if is_loopback(host):
            return
        if self._by_host[host] >= PER_ADDRESS:
            self._say(f"{host} has {PER_ADDRESS} connections without a key and gets no more")
            yield thing
            return
        self._host_of[thing] = host
        self._by_host[host] += 1
        while len(self._host_of) > cap():
            self._say(f"{cap()} connections without a key are open, so the oldest are closed")
            oldest = next(iter(self._host_of))
            self.forget(oldest)
            yield oldest

    def became(self, thing: object, other: object | None) -> None:
        """``thing`` is known as ``other`` from now on; ``None`` is gone."""
        host = self._host_of.get(thing)
        self.forget(thing)
        if host is not None and other is not None:
            self._host_of[other] = host
            self._by_host[host] += 1

    def forget(self, thing: object) -> None:
        """It is gone, or no stranger."""
        host = self._host_of.pop(thing, None)
        if host is not None:
            self._by_host[host] -= 1
            if not self._by_host[host]:
                del self._by_host[host]

    def _say(self, what: str) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET
            log.warning("%s; said once a minute.", what)
