"""Sockets that listen."""

from __future__ import annotations

import errno
import socket

from ..errors import BagoError

LOOPBACK = ("127.0.0.1", "::1")
TRIES = 100
"""Ports after the wanted one that are tried."""


def bind(port: int) -> list[socket.socket]:
    """Sockets on 127.0.0.1 and, where there is one, ::1, on one port that is free on both."""
    for candidate in range(port, min(port + TRIES, 65536)) if port else (0,):
        try:
            return bind_both(candidate, *LOOPBACK)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise BagoError(f"Cannot listen on port {candidate}: {error.strerror}.") from None
    raise BagoError(f"Ports {port} to {port + TRIES - 1} are taken or not for this user; set another port.")


def bind_both(port: int, ipv4: str, ipv6: str) -> list[socket.socket]:
    """Sockets on both addresses, on one port; without IPv6 only the first. Raises ``OSError``."""
    first = _bind(socket.AF_INET, ipv4, port)
    try:
        second = _bind(socket.AF_INET6, ipv6, first.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE and port:
            first.close()
            raise
        return [first]  # a machine without IPv6
    return [first, second]


def _bind(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(2048)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
