"""This host's addresses, and the order in which another node's are worth trying."""

from __future__ import annotations

import ipaddress
import math
import re
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec
import psutil

Kind = Literal["lan", "vpn", "virtual", "loopback"]
"""``virtual``: bridges and pairs of containers and virtual machines, that end on this host."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

TAILNETS: tuple[Network, ...] = (
    ipaddress.IPv4Network("100.64.0.0/10"),
    ipaddress.IPv6Network("fd7a:115c:a1e0::/48"),
)
FRESH = 1.0
_VIRTUAL = re.compile(
    r"docker|br-[0-9a-f]{6}|virbr|veth|vnet|lxc|lxdbr|incusbr|cni|cali|flannel|kube|podman|vmnet|vmenet|vboxnet"
    r"|vethernet|virtualbox|vmware|bridge1\d\d|awdl|llw|anpi|dummy|ifb|sit\d|gre\d|ip6tnl|tunl\d",
    re.IGNORECASE,
)
_VPN = re.compile(
    r"tailscale|wg\d*|wireguard|utun|tun|tap|ppp|zt|zerotier|nebula|ipsec|openvpn|nordlynx|proton",
    re.IGNORECASE,
)
_ORDER: dict[Kind, int] = {"lan": 0, "vpn": 1, "virtual": 2, "loopback": 3}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An address of this host."""

    text: str
    """As text; a link-local IPv6 address has its zone (``fe80::1%eth0``)."""
    interface: str
    index: int
    """The interface's number, which changes when it is made anew; 0 where the system does not tell."""
    kind: Kind
    network: Network
    multicast: bool = True

    @property
    def bare(self) -> str:
        """Without zone."""
        return self.text.partition("%")[0]

    @property
    def ip(self) -> IPAddress:
        return _parsed(self.bare)


def local() -> tuple[Address, ...]:
    """This host's addresses of interfaces that are up: LAN, then VPN, then virtual bridges.

    Loopback is there only when nothing else is. Takes about 0.4 ms; thread-safe.
    """
    up = psutil.net_if_stats()
    found: list[Address] = []
    for name, entries in psutil.net_if_addrs().items():
        state = up.get(name)
        if state is None or not state.isup:
            continue
        flags = state.flags.split(",")
        multicast = "multicast" in flags or not state.flags
        index = _index(name)
        for entry in entries:
            if entry.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            bare, _, zone = entry.address.partition("%")
            ip = _parsed(bare)
            if ip.is_unspecified or ip.is_multicast:
                continue
            found.append(
                Address(
                    text=f"{bare}%{zone or name}" if ip.is_link_local and ip.version == 6 else bare,
                    interface=name,
                    index=index or (int(zone) if zone.isdecimal() else 0),
                    kind=kind(name, ip),
                    network=_network(ip, entry.netmask),
                    multicast=multicast,
                )
            )
    outer = [address for address in found if address.kind != "loopback"]
    return tuple(sorted(outer or found, key=_place))


_latest: tuple[float, tuple[Address, ...]] = (-math.inf, ())


def recent() -> tuple[Address, ...]:
    """:func:`local`, or what that was less than :data:`FRESH` seconds ago: for what others may ask often."""
    global _latest
    at, found = _latest
    now = time.monotonic()
    if now - at >= FRESH:
        found = local()
        _latest = now, found
    return found


def kind(interface: str, ip: IPAddress) -> Kind:
    """What an address belongs to, by the interface's name and the address's range."""
    if ip.is_loopback:
        return "loopback"
    if _VIRTUAL.match(interface):
        return "virtual"
    if _VPN.match(interface) or any(ip in net for net in TAILNETS):
        return "vpn"
    return "lan"


def rank(addresses: Iterable[str], mine: Sequence[Address]) -> tuple[str, ...]:
    """Another node's ``addresses`` in the order to try them, seen from a host that has ``mine``.

    Same LAN first, then other networks, then VPNs, then what lies on a virtual bridge of this host.
    An address that this host has too (every Docker host is 172.17.0.1) leads back to this host: it is
    left out, unless the node lives on this host. Loopback and link-local addresses without zone
    are left out likewise, unless there is nothing else. Equal addresses are named once.
    """
    own = {address.bare for address in mine}
    known = {text: ip for text in dict.fromkeys(addresses) if (ip := _try(text)) is not None}
    here = all(text.partition("%")[0] in own for text in known)
    useful = [
        text
        for text, ip in known.items()
        if (here or text.partition("%")[0] not in own)
        and not ip.is_loopback
        and not (ip.version == 6 and ip.is_link_local and "%" not in text)
    ]
    if not useful:
        useful = [text for text, ip in known.items() if ip.is_loopback]
    return tuple(sorted(useful, key=lambda text: _distance(text, known[text], mine)))


def _distance(text: str, ip: IPAddress, mine: Sequence[Address]) -> tuple[int, int]:
    zone = text.partition("%")[2]
    family = (1 if ip.is_link_local else 0) + (2 if ip.version == 6 else 0)
    for address in mine:
        near = zone in (address.interface, str(address.index)) if zone else ip in address.network
        if near and ip.version == address.network.version:
            return {"lan": 0, "vpn": 2, "virtual": 3, "loopback": 4}[address.kind], family
    return (2 if any(ip in net for net in TAILNETS) else 1), family


def _place(address: Address) -> tuple[int, int, int, int]:
    ip = address.ip
    return _ORDER[address.kind], address.index, ip.version, int(ip.is_link_local)


def _network(ip: IPAddress, mask: str | None) -> Network:
    if ip.version == 4:
        return ipaddress.ip_network(f"{ip}/{mask or 32}", strict=False)
    # Windows tells no mask for IPv6; /64 is what every LAN uses.
    bits = bin(int(ipaddress.IPv6Address(mask))).count("1") if mask else 64
    return ipaddress.ip_network(f"{ip}/{bits}", strict=False)


def _index(name: str) -> int:
    if sys.platform == "win32":
        return 0  # if_nametoindex wants another kind of name there
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _try(text: str) -> IPAddress | None:
    try:
        ip = _parsed(text.partition("%")[0])
    except ValueError:
        return None
    return None if ip.is_unspecified or ip.is_multicast else ip


@lru_cache(maxsize=4096)
def _parsed(text: str) -> IPAddress:
    return ipaddress.ip_address(text)
