"""Addresses of nodes as text: ``192.0.2.7:8080``, ``[fe80::1%eth0]:8080``, ``box.local:8080``.

They come from strangers (connection keys, requests), so only what is certainly an address passes.
"""

from __future__ import annotations

import ipaddress
import re

LIMIT = 16
"""Addresses kept of one node."""

_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I
)
_ZONE = re.compile(r"[A-Za-z0-9_.@:-]{1,32}")


def split(address: str) -> tuple[str, int]:
    """Host and port of ``address``; the host of an IPv6 address comes without brackets, with its zone.

    Raises :class:`ValueError` for anything that is not ``host:port``.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or not 0 < int(port[:6]) <= 65535:
        raise ValueError("not an address with a port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        bare, percent, zone = host.partition("%")
        ipaddress.IPv6Address(bare)
        if percent and not _ZONE.fullmatch(zone):
            raise ValueError("not an interface name")
        return host, int(port)
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        if not _NAME.fullmatch(host) or re.fullmatch(r"[0-9.]*", host):
            raise ValueError("not a host name") from None
    return host, int(port)


def join(host: str, port: int) -> str:
    """The text of ``host`` and ``port``; raises :class:`ValueError` like :func:`split`."""
    text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    split(text)
    return text


def only_good(addresses: list[str]) -> list[str]:
    """The well-formed ones of ``addresses`` in their order, each once, at most :data:`LIMIT`."""
    good: dict[str, None] = {}
    for address in addresses:
        try:
            split(address)
        except ValueError:
            continue
        good[address] = None
    return list(good)[:LIMIT]
