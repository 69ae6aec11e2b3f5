"""The multicast sockets: on which interfaces, and their replacement when those change."""

from __future__ import annotations

import logging
import socket

from zeroconf import IPVersion, Zeroconf
from zeroconf.asyncio import AsyncZeroconf

from .addresses import Address

log = logging.getLogger("bago.discovery")

PORT = 5353
MAX_INTERFACES = 32
Plan = tuple[tuple[str, int], ...]
"""Addresses without zone, each with its interface's number."""


def plan(mine: tuple[Address, ...], current: Plan) -> Plan:
    """The addresses to open sockets on: every IPv4 one and one IPv6 one of each interface.

    Left out are interfaces without multicast, and the host's ends of containers' cables, which have only a
    link-local address. A fresh IPv6 address cannot be bound for a second or two: it is taken in then.
    """
    with_v4 = {address.index for address in mine if address.ip.version == 4}
    plan: list[tuple[str, int]] = []
    done: set[int] = set()
    for address in sorted(mine, key=lambda address: not address.ip.is_link_local):
        if not address.multicast and address.kind != "loopback":
            continue
        if address.kind == "virtual" and address.index not in with_v4:
            continue
        key = (address.bare, address.index)
        if address.ip.version == 4:
            plan.append(key)
        elif address.index not in done and (key in current or _bindable(address)):
            done.add(address.index)
            plan.append(key)
    order = {(address.bare, address.index): place for place, address in enumerate(mine)}
    return tuple(sorted(plan, key=order.__getitem__)[:MAX_INTERFACES])


def _bindable(address: Address) -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as trial:
            trial.bind((address.bare, 0, 0, address.index))
    except OSError:
        return False
    return True


def _interfaces(plan: Plan) -> list[str | int]:
    """In zeroconf's terms: by address, and by number where two interfaces have one address."""
    texts = [text for text, _ in plan]
    return [index if ":" in text and index and texts.count(text) > 1 else text for text, index in plan]


def inherit(new: Zeroconf, old: Zeroconf) -> None:
    """A goodbye is only told for what is in the cache."""
    for name in old.cache.names():
        new.cache.async_add_records(old.cache.async_entries_with_name(name))


async def close(zc: AsyncZeroconf) -> None:
    try:
        await zc.async_close()
    except OSError as error:
        log.debug("while closing: %s", error)


def open_all(plan: Plan) -> AsyncZeroconf:
    """Sockets on the addresses of ``plan``, or on loopback. Raises :class:`OSError`."""
    families = {":" in text for text, _ in plan}
    version = (
        IPVersion.V6Only if families == {True} else IPVersion.All if True in families else IPVersion.V4Only
    )
    _try_port(socket.AF_INET6 if True in families else socket.AF_INET)
    return AsyncZeroconf(interfaces=_interfaces(plan) or ["127.0.0.1"], ip_version=version)


def _try_port(family: socket.AddressFamily) -> None:
    """zeroconf leaves its socket open when the port is refused, and this is tried time and again."""
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        trial.bind(("", PORT))
