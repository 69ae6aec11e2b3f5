"""How often an address may try something that fails.

Secrets here are too long to be guessed, the team key may be not, and every attempt costs CPU; so
failures are counted per address (a routable IPv6 address counts as its /64, which one host may own as
a whole), and each failure beyond the free ones doubles the wait. A second, global budget bounds what
many addresses together may cost.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

import msgspec

from ..errors import Overloaded

ADDRESSES = 4096
"""Addresses remembered; beyond it the one that was quiet longest is forgotten."""


class _Count(msgspec.Struct):
    failures: int = 0
    until: float = 0.0
    last: float = 0.0


class Throttle:
    """Belongs to one loop. Times are seconds of any clock that does not go back.

    ``free`` failures cost nothing; the next wait ``first``, then twice that ..., ``longest`` at most.
    ``forget`` seconds without a failure clear an address. ``budget`` failures of all addresses together
    are allowed within ``forget`` seconds.
    """

    def __init__(
        self,
        what: str,
        *,
        free: int = 5,
        first: float = 1.0,
        longest: float = 300.0,
        forget: float = 600.0,
        budget: int = 1000,
    ):
        self._what = what
        self._free, self._first, self._longest, self._forget = free, first, longest, forget
        self._budget = budget
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._spent = 0.0
        self._spent_at = 0.0

    def check(self, address: str, now: float) -> None:
        """Raise :class:`Overloaded` while ``address`` has to wait."""
        count = self._counts.get(_group(address))
        wait = 0.0
        if count is not None and now - count.last < self._forget:
            wait = count.until - now
        if self._drained(now) >= self._budget:
            wait = max(wait, self._forget / self._budget)
        if wait > 0:
            raise Overloaded(
                f"Too many {self._what} from here; try again in {max(1, round(wait))} s.", retry_after=wait
            )

    def failed(self, address: str, now: float) -> None:
        """Count a failure of ``address``."""
        group = _group(address)
        count = self._counts.pop(group, None)
        if count is None or now - count.last >= self._forget:
            count = _Count()
        count.failures += 1
        count.last = now
        over = count.failures - self._free
        if over > 0:
            count.until = now + min(self._longest, self._first * 2.0 ** min(over - 1, 30))
        self._counts[group] = count
        while len(self._counts) > ADDRESSES:
            self._counts.popitem(last=False)
        self._spent = self._drained(now) + 1
        self._spent_at = now

    def succeeded(self, address: str) -> None:
        """Clear the failures of ``address``, also from the budget."""
        count = self._counts.pop(_group(address), None)
        if count is not None:
            self._spent = max(0.0, self._spent - count.failures)

    def _drained(self, now: float) -> float:
        return max(0.0, self._spent - (now - self._spent_at) * self._budget / self._forget)


def _group(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    if ip.version == 6 and not ip.is_link_local:  # fe80::/64 is shared by everybody on the link
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
