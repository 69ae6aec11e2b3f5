"""Which nodes announce themselves: pure bookkeeping, time in seconds is always an argument."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from .record import Announcement

STALE = 90.0
"""Seconds without an announcement after which a node is taken for gone."""
MAX_NODES = 512
MAX_INSTANCES = 4
"""Announcers of one fingerprint that are kept: a restart under another name leaves a second for a while."""
MAX_ADDRESSES = 16
MAX_SOURCES = 256
NEWCOMERS = 64
"""Unknown nodes that one source may bring at once; a reflector brings those of a whole network."""
NEWCOMERS_PER_SECOND = 2.0


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """A node that announces itself. Nothing of it is proven."""

    announcement: Announcement
    addresses: tuple[str, ...]
    """Without order of preference; link-local IPv6 has its zone."""
    interface: str | None
    """Interface of this host on which it was heard, if known."""
    first_seen: float
    last_seen: float
    """On ``time.monotonic()``, as ``first_seen`` is."""
    instance: str
    """mDNS instance name."""

    @property
    def fingerprint(self) -> str:
        return self.announcement.fingerprint


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A node came, said something new, or went."""

    kind: Literal["appeared", "changed", "gone"]
    node: Discovered
    reason: str
    """A part of a sentence for people: ``said goodbye``, ``was not heard for 90 s``..."""


class _Bucket(msgspec.Struct):
    tokens: float
    at: float


class Registry:
    """The discovered nodes, by fingerprint. Bounded in everything that strangers can make grow.

    When it is full, a newcomer takes the place of the newest node of the source that brought the most,
    if its own source brought fewer: a flood from one place cannot push out what others announce.
    """

    def __init__(
        self,
        fingerprint: str,
        *,
        stale: float = STALE,
        limit: int = MAX_NODES,
        newcomers: float = NEWCOMERS,
        newcomers_per_second: float = NEWCOMERS_PER_SECOND,
    ):
        self.own = fingerprint
        self.stale = stale
        self.refused = 0
        """Newcomers turned away since the start because of a limit."""
        self.heard_self: float | None = None
        """When this node last heard its own announcement come back."""
        self._limit = limit
        self._burst = newcomers
        self._rate = newcomers_per_second
        self._nodes: dict[str, dict[str, Discovered]] = {}
        self._owner: dict[str, str] = {}  # instance -> fingerprint
        self._source: dict[str, str] = {}  # fingerprint -> source that brought it
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def seen(
        self,
        now: float,
        instance: str,
        announcement: Announcement,
        addresses: Sequence[str],
        *,
        interface: str | None = None,
        source: str = "",
    ) -> list[Change]:
        """Take in an announcement that ``source`` (an IP address) sent at ``now``."""
        if announcement.fingerprint == self.own:
            self.heard_self = now
            return []
        fingerprint = announcement.fingerprint
        changes = self._expire(self._nodes.get(fingerprint, {}), now)
        before = self._view(fingerprint, now)
        if self._owner.get(instance, fingerprint) != fingerprint:
            changes += self._drop(instance, now, "announces another fingerprint now")
        instances = self._nodes.get(fingerprint)
        if instances is None or instance not in instances:
            if not self._admit(now, fingerprint, source, changes):
                self.refused += 1
                return changes
            instances = self._nodes.setdefault(fingerprint, {})
        old = instances.get(instance)
        if old is None and len(instances) >= MAX_INSTANCES:
            self._forget(min(instances.values(), key=lambda node: node.last_seen).instance)
        kept = tuple(dict.fromkeys(addresses))[:MAX_ADDRESSES]
        if old is not None and old.interface and set(old.addresses) == set(kept):
            interface = old.interface  # heard on several at once, it would change with every packet
        self._owner[instance] = fingerprint
        instances[instance] = Discovered(
            announcement=announcement,
            addresses=kept,
            interface=interface,
            first_seen=old.first_seen if old else now,
            last_seen=now,
            instance=instance,
        )
        after = self._view(fingerprint, now)
        assert after is not None
        if before is None:
            changes.append(Change(kind="appeared", node=after, reason="announced itself"))
        elif _differ(before, after):
            changes.append(Change(kind="changed", node=after, reason="announced something new"))
        return changes

    def goodbye(self, now: float, instance: str, reason: str = "said goodbye") -> list[Change]:
        """The announcer ``instance`` withdrew; the node is gone unless it announces elsewhere too."""
        return self._drop(instance, now, reason)

    def sweep(self, now: float) -> list[Change]:
        """Forget what was not announced for longer than ``stale`` seconds."""
        return [change for instances in list(self._nodes.values()) for change in self._expire(instances, now)]

    def clear(self, now: float, reason: str) -> list[Change]:
        """Forget everything."""
        return [
            change
            for instance in list(self._owner)
            for change in self._drop(instance, now, reason, stale=True)
        ]

    def nodes(self, now: float) -> list[Discovered]:
        """The nodes that are not stale, by name."""
        views = (self._view(fingerprint, now) for fingerprint in self._nodes)
        found = [node for node in views if node is not None]
        return sorted(found, key=lambda node: (node.announcement.name.casefold(), node.fingerprint))

    def get(self, now: float, fingerprint: str) -> Discovered | None:
        """The node of that fingerprint, unless it is stale."""
        return self._view(fingerprint, now)

    def __len__(self) -> int:
        return len(self._nodes)

    def _view(self, fingerprint: str, now: float, *, stale: bool = False) -> Discovered | None:
        """One node out of its announcers: the newest one's words, everybody's addresses."""
        fresh = [
            node
            for node in self._nodes.get(fingerprint, {}).values()
            if stale or now - node.last_seen <= self.stale
        ]
        if len(fresh) < 2:
            return fresh[0] if fresh else None
        fresh.sort(key=lambda node: -node.first_seen)
        every = dict.fromkeys(address for node in fresh for address in node.addresses)
        return msgspec.structs.replace(
            fresh[0],
            addresses=tuple(every)[:MAX_ADDRESSES],
            first_seen=fresh[-1].first_seen,
            last_seen=max(node.last_seen for node in fresh),
        )

    def _expire(self, instances: dict[str, Discovered], now: float) -> list[Change]:
        late = [node.instance for node in instances.values() if now - node.last_seen > self.stale]
        reason = f"was not heard for {self.stale:g} s"
        return [change for instance in late for change in self._drop(instance, now, reason, stale=True)]

    def _drop(self, instance: str, now: float, reason: str, *, stale: bool = False) -> list[Change]:
        fingerprint = self._owner.get(instance)
        if fingerprint is None:
            return []
        before = self._view(fingerprint, now, stale=stale)
        self._forget(instance)
        after = self._view(fingerprint, now)
        if before is None:
            return []
        if after is None:
            return [Change(kind="gone", node=before, reason=reason)]
        if _differ(before, after):
            return [Change(kind="changed", node=after, reason=f"its announcer {instance!r} {reason}")]
        return []

    def _forget(self, instance: str) -> None:
        fingerprint = self._owner.pop(instance)
        instances = self._nodes[fingerprint]
        del instances[instance]
        if not instances:
            del self._nodes[fingerprint]
            del self._source[fingerprint]

    def _admit(self, now: float, fingerprint: str, source: str, changes: list[Change]) -> bool:
        if not self._spend(now, source):
            return False
        if fingerprint not in self._nodes:
            if len(self._nodes) >= self._limit and not self._make_room(now, source, changes):
                return False
            self._source[fingerprint] = source
        return True

    def _spend(self, now: float, source: str) -> bool:
        bucket = self._buckets.get(source)
        if bucket is None:
            bucket = self._buckets[source] = _Bucket(self._burst, now)
            if len(self._buckets) > MAX_SOURCES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(source)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _make_room(self, now: float, source: str, changes: list[Change]) -> bool:
        counts: dict[str, int] = {}
        for other in self._source.values():
            counts[other] = counts.get(other, 0) + 1
        crowd = max(counts, key=counts.__getitem__)
        if counts[crowd] <= counts.get(source, 0) + 1:
            return False
        newest = max(self._instances(crowd), key=lambda node: node.first_seen)
        for instance in list(self._nodes[newest.fingerprint]):
            changes += self._drop(
                instance, now, "made room: too many nodes come from one address", stale=True
            )
        return True

    def _instances(self, source: str) -> Iterator[Discovered]:
        for fingerprint, brought_by in self._source.items():
            if brought_by == source:
                yield from self._nodes[fingerprint].values()


def _differ(one: Discovered, other: Discovered) -> bool:
    return (
        one.announcement != other.announcement
        or set(one.addresses) != set(other.addresses)
        or one.interface != other.interface
    )
