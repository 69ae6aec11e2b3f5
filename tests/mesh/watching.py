"""Whether a node minds what is done to it: its memory, how long others wait, what is left behind."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
from lan import Lan
from mesh.hosts import Node, connection, mesh, plain

from bago_jupyter.identity import Identity
from bago_jupyter.trust.tls import client_context

MEMORY = 20 * 2**20
"""Bytes by which a node may grow."""
QUICK = 1.0
"""Seconds within which it answers everybody else."""
SETTLED = 10.0
"""Seconds after which it holds no more descriptors than before."""
READ = 16 * 2**20
"""Bytes that it may take of what it does not want, with what lies in the buffers of both sockets."""
POURED, POURING = 64 * 2**20, 5.0
"""Bytes and seconds after which a hostile client has seen enough."""
PIECE = 64 * 1024
POLLS = 0.2
Socket = socket.socket | ssl.SSLSocket


class Place(NamedTuple):
    """From which host a request comes, how, and where to."""

    host: int
    secure: bool
    path: str


@contextlib.contextmanager
def opened(
    lan: Lan, node: Node, place: Place, timeout: float = 10.0, identity: Identity | None = None
) -> Iterator[Socket]:
    """A connection to ``node``: on its own loopback where it lives on that host."""
    address = "127.0.0.1" if place.host == node.host else lan.address(node.host)
    with connection(lan, place.host, address, node.port, timeout) as sock:
        if place.secure:
            with client_context(identity, node.fingerprint).wrap_socket(sock) as tls:
                yield tls
        else:
            yield sock


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: localhost", *lines, "", ""]).encode()


def pour(sock: Socket, more: bytes) -> int:
    """Send ``more`` again and again, whatever comes back; how many bytes went out before it was cut."""
    sent, end = 0, time.monotonic() + POURING
    sock.settimeout(POURING)
    with contextlib.suppress(OSError):
        while sent < POURED and time.monotonic() < end:
            sock.sendall(more)
            sent += len(more)
    return sent


def answered(sock: Socket) -> tuple[int, dict[str, str]]:
    """Status and headers of one answer, with the body read behind them."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += _more(sock)
    top, _, body = got.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    while len(body) < int(headers["content-length"]):
        body += _more(sock)
    return int(first.split()[1]), headers


def _more(sock: Socket) -> bytes:
    chunk = sock.recv(PIECE)
    assert chunk, "closed in the middle of its answer"
    return chunk


def is_open(sock: Socket) -> bool:
    """Whether the node still holds the other end; what it said is read and forgotten."""
    sock.setblocking(False)
    try:
        while sock.recv(PIECE):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        pass
    return False


def within(seconds: float, condition: Callable[[], object]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def steady(node: Node, seconds: float) -> int:
    """How many descriptors it has, once it has neither opened nor closed any for so long."""
    process = psutil.Process(node.process.pid)
    count, since = process.num_fds(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.05)
        if process.num_fds() != count:
            count, since = process.num_fds(), time.monotonic()
    return count


class Watch:
    """What is to be said against how a node bore it."""

    def __init__(self, node: Node):
        self.complaints: list[str] = []
        self._node = node
        self._process = psutil.Process(node.process.pid)
        self._descriptors = steady(node, 0.5)
        self._written = len(node.log())
        Path(f"/proc/{node.process.pid}/clear_refs").write_text("5")  # the peak begins anew
        self._memory = self._status("VmRSS")
        self._slowest = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def must(self, holds: object, otherwise: str) -> None:
        if not holds:
            self.complaints.append(otherwise)

    def cut(self, sent: int) -> None:
        """A client was hung up on after so many bytes."""
        self.must(sent <= READ, f"{sent / 2**20:.0f} MiB could be sent")

    def worked(self) -> float:
        """Seconds of CPU that the node has used in its life."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def said(self) -> list[str]:
        """Lines of its log since the beginning."""
        return self._node.log()[self._written :].splitlines()

    def end(self) -> None:
        self._end.set()
        self._thread.join(60)

    def is_settled(self) -> bool:
        return self._process.num_fds() <= self._descriptors

    def conclude(self) -> None:
        """Look at what is left, when the hostile ones are gone."""
        self.must(self._slowest <= QUICK, f"/health took {self._slowest:.1f} s")
        grown = self._status("VmHWM") - self._memory
        self.must(grown <= MEMORY, f"grew by {grown / 2**20:.0f} MiB")
        settled = within(SETTLED, self.is_settled)
        more = self._process.num_fds() - self._descriptors
        self.must(settled, f"keeps {more} descriptors")
        self.must(_asked_for_health(self._node) == b"200", "answers no request")
        self.must("Traceback" not in "\n".join(self.said()), "a traceback in the log")
        self.must(not self._node.process.errors, f"printed {self._node.process.errors[-3:]}")

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self._node.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))

    def _poll(self) -> None:
        last = False
        while not last:
            last = self._end.is_set()  # and once more after the last blow
            start = time.monotonic()
            answer = _asked_for_health(self._node)
            self._slowest = max(self._slowest, time.monotonic() - start if answer == b"200" else 99.0)
            self._end.wait(POLLS)


def _asked_for_health(node: Node) -> bytes:
    """The status of ``/health`` as a new client on the node's own machine gets it."""
    got = b""
    with (
        contextlib.suppress(OSError),
        connection(node.lan, node.host, "127.0.0.1", node.port, timeout=30) as sock,
    ):
        sock.sendall(head("/health", "connection: close", method="GET"))
        while chunk := sock.recv(PIECE):
            got += chunk
    return got[9:12]


@contextlib.contextmanager
def unharmed(node: Node, stranger: int = 4) -> Iterator[Watch]:
    """What happens meanwhile costs the node little memory, keeps nobody waiting and leaves nothing behind."""
    for _ in range(5):  # what it makes at its first request is not what a stranger cost it
        assert _asked_for_health(node) == b"200"
        assert plain(node.lan, stranger, node, "/").status_code == 403
        assert 400 <= mesh(node.lan, stranger, node, "POST", "/mesh/v1/pair", body=b"{}")[0] < 500
    watch = Watch(node)
    try:
        yield watch
    finally:
        watch.end()
    watch.conclude()
    assert not watch.complaints, watch.complaints
