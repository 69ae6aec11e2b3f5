"""Where a peer cannot have this node fetch from.

A peer that may control this node names a URL, and so does whoever answers there with a redirect. Neither
may reach what listens for this machine alone: its loopback, its links, the metadata of its cloud. A name
says nothing: the address counts that is really connected to, before a byte is sent to it.

What the owner of this node configured is meant to be reached wherever it is: a proxy, a mirror of the hub.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from ..errors import Forbidden

if TYPE_CHECKING:
    import httpx

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure's wire server
            "192.0.0.192",  # Oracle Cloud
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google Cloud
        ),
    )
)
"""Services that tell a machine its own secrets, beside those at link-local addresses."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def off_limits(address: str) -> bool:
    """Whether ``address``, an IP address, is this machine's own or of its link, or tells it secrets."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    return any(
        inner.is_loopback
        or inner.is_link_local
        or inner.is_unspecified
        or inner.is_multicast
        or inner in METADATA
        or (inner.version == 4 and (int(inner) >> 24 == 0 or inner.is_reserved))
        for inner in _meant(ip)
    )


def _meant(ip: Ip) -> Iterable[Ip]:
    """``ip``, and the IPv4 addresses that it stands for on some network (RFC 4291, 6052, 3056, 4380)."""
    yield ip
    if isinstance(ip, ipaddress.IPv6Address):
        teredo = ip.teredo or ()
        embedded = [ip.ipv4_mapped, ip.sixtofour, *teredo]
        if ip in _NAT64 or int(ip) >> 32 == 0:
            embedded.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        yield from (inner for inner in embedded if inner is not None)


class Guard:
    """Watches one client of httpx. ``configured`` are URLs of the owner, whose origins may be anywhere."""

    def __init__(self, configured: Iterable[str] = ()):
        self._proxies = {_place(url) for url in getproxies().values()}
        self._trusted = {_place(url) for url in configured}
        self._free: tuple[str, int] | None = None
        """Where the latest request goes, if that may be anywhere."""
        self._going: tuple[str, int] = ("", 0)

    async def asked(self, request: httpx.Request) -> None:
        """Called before each request, also after a redirect. Raises :class:`Forbidden`."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        place = url.host.lower(), port
        self._free = place if place in self._trusted else None
        request.extensions = {**request.extensions, "trace": self.stepped}
        if self._free is not None:
            return
        try:
            found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return  # a proxy may know it; without one it cannot be reached anyway
        if any(off_limits(str(entry[4][0])) for entry in found):
            raise _refusal(url.host)

    async def stepped(self, event: str, info: dict[str, Any]) -> None:
        """Called by httpx at each step of a request (its extension ``trace``). Raises :class:`Forbidden`."""
        if event == "connection.connect_tcp.started":
            self._going = info["host"].lower(), info["port"]
        elif event == "connection.connect_tcp.complete":
            stream = info["return_value"]
            if self._going == self._free or self._going in self._proxies:
                return
            theirs, ours = stream.get_extra_info("server_addr"), stream.get_extra_info("client_addr")
            if not theirs or off_limits(theirs[0]) or (ours and ours[0] == theirs[0]):
                await stream.aclose()
                raise _refusal(self._going[0])


def _place(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        return (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", 0


def _refusal(host: str) -> Forbidden:
    return Forbidden(
        f"A peer cannot have this node fetch from {host}, which is this machine's own, or its link's; "
        "its owner can pull that here.",
        param="source",
    )
