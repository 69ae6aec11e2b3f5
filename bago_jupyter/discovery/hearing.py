"""What is heard on the multicast group, turned into calls on the registry. Belongs to the node's loop."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from zeroconf import RecordUpdate, RecordUpdateListener, Zeroconf
from zeroconf._dns import DNSAddress, DNSPointer, DNSQuestion, DNSRecord, DNSService, DNSText
from zeroconf._handlers.record_manager import RecordManager
from zeroconf._protocol.incoming import DNSIncoming
from zeroconf._protocol.outgoing import DNSOutgoing
from zeroconf.const import (
    _CLASS_IN,
    _FLAGS_QR_QUERY,
    _TYPE_A,
    _TYPE_AAAA,
    _TYPE_SRV,
    _TYPE_TXT,
)

from .addresses import Address
from .record import SERVICE, BadRecord, decode
from .registry import Change, Registry

log = logging.getLogger("bago.discovery")

PACKETS = 200
"""Responses that one address may send at once; beyond it they are dropped unread."""
PACKETS_PER_SECOND = 40.0
MAX_SOURCES = 256
ASKS_PER_SECOND = 20.0
LOGGED = 20
"""Bad records that are logged; the rest is only counted."""


class Allowance:
    """Token buckets by key; the least recently used key is forgotten first."""

    def __init__(self, burst: float, per_second: float, keys: int = MAX_SOURCES):
        self._burst, self._rate, self._keys = burst, per_second, keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> bool:
        """Whether ``key`` may do one more thing at ``now``."""
        tokens, at = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        self._buckets[key] = (max(tokens - 1, 0), now) if tokens >= 1 else (tokens, now)
        if len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        return tokens >= 1


class Gate(RecordManager):
    """Tells who sent the packet that is being read, and turns floods away before they are parsed.

    python-zeroconf tells its listeners neither; its sockets take the manager that an instance has when they
    are opened, which is on the turn of the loop after its construction.
    """

    def __init__(self, zc: Zeroconf):
        super().__init__(zc)
        self.source = ""
        self.scope = 0
        self._allowance = Allowance(PACKETS, PACKETS_PER_SECOND)

    def async_updates_from_response(self, msg: DNSIncoming) -> None:
        source = msg.source[0].removeprefix("::ffff:") if msg.source else ""
        if not self._allowance.take(source, time.monotonic()):
            return
        self.source, self.scope = source, msg.scope_id or 0
        try:
            super().async_updates_from_response(msg)
        finally:
            self.source, self.scope = "", 0


class Ear(RecordUpdateListener):
    """Feeds the registry with every announcement, unchanged ones included.

    A ``ServiceBrowser`` is silent about re-announcements without news, from which staleness is told.
    """

    def __init__(self, registry: Registry, gate: Gate, emit: Callable[[list[Change]], None]):
        self.registry = registry
        self.gate = gate
        self.mine: Sequence[Address] = ()
        """This host's addresses, to tell on which interface something was heard."""
        self.listening = True
        """Whether others are taken in, and not only the own echo."""
        self.rejected = 0
        """Announcements that could not be read."""
        self._emit = emit
        self._touched: dict[str, None] = {}
        self._asks = Allowance(ASKS_PER_SECOND, ASKS_PER_SECOND)
        self._zc = gate.zc

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        for update in records:
            record = update.new
            if isinstance(record, DNSPointer) and record.name.lower() == SERVICE:
                name = record.alias
            elif isinstance(record, DNSService | DNSText):
                name = record.name
            else:
                continue
            if not name.lower().endswith("." + SERVICE):
                continue
            if record.ttl == 0:
                self._touched.pop(name, None)
                self._emit(self.registry.goodbye(time.monotonic(), _instance(name)))
            elif not record.is_expired(now):  # the cache reports what it expires, too
                self._touched[name] = None

    def async_update_records_complete(self) -> None:
        touched, self._touched = self._touched, {}
        for name in touched:
            self._take_in(name)

    def ask(self, instance: str) -> None:
        """Ask the network for the records of ``instance``."""
        self._query(f"{instance}.{SERVICE}", _TYPE_SRV, _TYPE_TXT)

    def _take_in(self, name: str) -> None:
        service: DNSService | None = None
        text: DNSText | None = None
        for record in self._current(name):
            if isinstance(record, DNSService) and (service is None or record.created > service.created):
                service = record
            elif isinstance(record, DNSText) and (text is None or record.created > text.created):
                text = record
        if service is None or text is None:
            self._query(name, _TYPE_SRV, _TYPE_TXT)
            return
        interface = self._interface()
        addresses = self._addresses(service.server, interface)
        if not addresses:
            self._query(service.server, _TYPE_A, _TYPE_AAAA)
            return
        try:
            announcement = decode(text.text)
        except BadRecord as error:
            self.rejected += 1
            if self.rejected <= LOGGED:
                log.info("Ignored an announcement from %s: %s", self.gate.source or "the network", error)
            return
        if not self.listening and announcement.fingerprint != self.registry.own:
            return
        self._emit(
            self.registry.seen(
                time.monotonic(),
                _instance(name),
                announcement,
                addresses,
                interface=interface,
                source=self.gate.source,
            )
        )

    def _addresses(self, server: str, interface: str | None) -> list[str]:
        """Newest first."""
        records = [record for record in self._current(server) if isinstance(record, DNSAddress)]
        records.sort(key=lambda record: -record.created)
        found: dict[str, None] = {}
        for record in records:
            ip = ipaddress.ip_address(record.address)
            if ip.version == 6 and ip.is_link_local:
                zone = self._name(record.scope_id) if record.scope_id else interface
                if zone:
                    found[f"{ip}%{zone}"] = None
            else:
                found[str(ip)] = None
        return list(found)

    def _current(self, name: str) -> list[DNSRecord]:
        """What the cache has under a name, less what its owner replaced.

        zeroconf gives a replaced record one more second to live, and the time of its replacement as its own.
        """
        return [record for record in self._zc.cache.async_entries_with_name(name.lower()) if record.ttl > 1]

    def _interface(self) -> str | None:
        if self.gate.scope:
            return self._name(self.gate.scope)
        if not self.gate.source:
            return None
        ip = ipaddress.ip_address(self.gate.source.partition("%")[0])
        return next((address.interface for address in self.mine if ip in address.network), None)

    def _name(self, index: int) -> str:
        return next(
            (a.text.partition("%")[2] or a.interface for a in self.mine if a.index == index), str(index)
        )

    def _query(self, name: str, *types: int) -> None:
        if not self._asks.take("", time.monotonic()):
            return
        out = DNSOutgoing(_FLAGS_QR_QUERY)
        for kind in types:
            out.add_question(DNSQuestion(name, kind, _CLASS_IN))
        self._zc.async_send(out)


def _instance(name: str) -> str:
    return name[: -len(SERVICE) - 1]
