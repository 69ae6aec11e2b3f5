"""Requests as a client spells them, and what has to become of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from hypothesis import strategies as st

from bago_jupyter.http1 import limits

LIMITS = {"/small": 40, "/large": 300_000, "/lasting": 100, "/none": 0}
"""Bytes that a body may have, by the path."""
OTHER = 1000
"""The same for other paths."""
NO = "/no"
"""A path that is refused by the head."""
WAYS = ("whole", "pieces", "measured", "bodiless", "fails")
"""How a request is answered at once."""
ODD = {
    "old": [],
    "old kept": ["Connection: keep-alive"],
    "close": ["Connection: close"],
    "expect": ["Expect: 100-continue"],
    "websocket": ["Connection: keep-alive, Upgrade", "Upgrade: websocket"],
    "h2c": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"],
    "last": ["Connection: close, Upgrade", "Upgrade: h2c"],
}
"""Lines that a request may have; the last one offers another protocol and says that it is the last."""
FIRST = "GET / HTTP/1.1\r\nHost: a\r\n"
POST = "POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
BAD = {
    "rubbish": "\0\1\2\r\n\r\n",
    "a handshake": "\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03\r\n\r\n",
    "HTTP/2.0": "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "a proxy": "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    "an authority": "GET a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no slash": "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "no Host": "GET / HTTP/1.1\r\n\r\n",
    "two Hosts": FIRST + "Host: b\r\n\r\n",
    "a Host with a name": "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "a folded line": FIRST + "a: b\r\n c\r\n\r\n",
    "NUL": FIRST + "a: b\0c\r\n\r\n",
    "a bare LF": "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "300 headers": FIRST + "a: b\r\n" * 300 + "\r\n",
    "TE and CL": POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two CLs": POST + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "CL with +": POST + "Content-Length: +1\r\n\r\na",
    "gzip": POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE in HTTP/1.0": "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a GET in chunks": "GET /lasting HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk of no size": CHUNKED + "\r\nabc\r\n0\r\n\r\n",
    "chunk of 0x": CHUNKED + "0x3\r\nabc\r\n0\r\n\r\n",
    "chunk without end": CHUNKED + "3\r\nabcd\r\n0\r\n\r\n",
    "trailer of no name": CHUNKED + "3\r\nabc\r\n0\r\n: x\r\n\r\n",
}
"""Heads and bodies that are refused; the connection ends with them."""

PIECE = 16 * 1024
_GET = FIRST.encode()
_POST = CHUNKED.encode()
_LINE = b"a: " + b"b" * (PIECE - 5) + b"\r\n"
ENDLESS = {
    "head": (_GET, _LINE, limits.MAX_HEAD),
    "value": (_GET + b"a: ", b"b" * PIECE, limits.MAX_HEAD),
    "target": (b"GET /", b"b" * PIECE, limits.MAX_HEAD),
    "extension": (_POST + b"1;", b"a" * PIECE, limits.FRAMING),
    "trailers": (_POST + b"0\r\n", _LINE, limits.FRAMING),
    "late extension": (
        _POST.replace(b"/", b"/large", 1) + b"4000\r\n%b\r\n1;" % bytes(PIECE),
        b"a" * PIECE,
        limits.FRAMING,
    ),
}
"""Requests without end: how they begin and go on, and the bytes of them that may be read."""


@dataclass
class Ask:
    """One request."""

    data: bytes = b""
    head: int = 0
    """Bytes of its head."""
    path: str = ""
    body: bytes = b""
    has_body: bool = False
    chunked: bool = False
    expects: bool = False
    """Whether it waits for leave to send its body."""
    shows: bool = False
    """Whether it shows a right to be here."""
    bad: bool = False
    endless: bool = False
    ends: bool = False
    """Whether the connection ends with its answer."""
    unread: bool = False
    """Whether it is refused before all of it was read."""
    served: bool = True
    """Whether it reaches whoever serves; else it is refused."""
    way: str | None = None
    """How it is answered at once; ``None``: later."""
    start: int = 0
    """Where it begins in all that the client sends."""
    begun: float = 0.0
    complete: float = 0.0
    """When its first byte arrived, and when its head was complete."""
    epoch: int = 0
    """That of the application when its head was complete."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis says of it."""
        printer.text(f"{self.way or 'later'}: {self.data[:200]!r}")

    @property
    def end(self) -> float:
        return math.inf if self.endless else self.start + len(self.data)

    @property
    def limit(self) -> int:
        return LIMITS.get(self.path, OTHER)

    def judge(self, stranger: bool) -> None:
        """Find out what has to become of it; ``stranger``: whoever asks is one."""
        refused = self.path == NO and (stranger or self.has_body)
        large = len(self.body) > self.limit or (self.chunked and not self.limit)
        self.unread = self.bad or refused or large
        self.served = not self.unread and self.path != NO
        self.ends = self.ends or self.unread
        at_once = refused or (large and not self.chunked) or not self.limit
        self.expects = self.expects and self.has_body and not at_once and self.path != NO


def bad(name: str) -> Ask:
    """One of :data:`BAD`, with requests behind it that nobody may read."""
    return Ask(
        BAD[name].encode("latin-1") + b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n", bad=True, head=1 << 30
    )


def plain(way: str | None = None, path: str = "/small", ends: bool = False) -> Ask:
    """A small GET."""
    close = "Connection: close\r\n" if ends else ""
    data = f"GET {path} HTTP/1.1\r\nHost: a\r\n{close}\r\n".encode()
    return Ask(data, len(data), path, way=way, ends=ends)


def _chunks(body: bytes, size: int, extension: str) -> bytes:
    """``body`` in chunks, and trailers that look like headers."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    said = b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension.encode(), part) for part in parts)
    trailers = b"Host: b\r\nAuthorization: x\r\n" if extension else b""
    return said + b"0%s\r\n%s\r\n" % (extension.encode(), trailers)


class Good(NamedTuple):
    """What a good request is made of."""

    path: str
    shape: str
    size: int
    odd: str
    shows: bool
    way: str | None

    def ask(self) -> Ask:
        """Spell it."""
        path, shape, odd = self.path, self.shape, self.odd
        body = bytes(range(self.size)) * (6400 if path == "/large" else 1)
        version = "1.0" if odd.startswith("old") else "1.1"
        target = f"http://a{path}" if odd == "absolute" else path
        lines = [f"{'GET' if shape == 'get' else 'POST'} {target} HTTP/{version}", "Host: a"]
        lines += ["Authorization: x"] if self.shows else []
        lines += ODD.get(odd, [])
        if shape == "sized":
            lines.append(f"Content-Length: {len(body)}")
        elif shape != "get":
            lines.append("Transfer-Encoding: chunked")
        head = ("\r\n" if odd == "blank" else "") + "\r\n".join([*lines, "", ""])
        sent = (
            body
            if shape in ("get", "sized")
            else _chunks(body, 11 if len(body) < 1000 else 70_000, shape[7:])
        )
        return Ask(
            head.encode() + sent,
            len(head),
            path,
            body,
            has_body=bool(body) or shape.startswith("chunked"),
            chunked=shape.startswith("chunked"),
            expects=odd == "expect",
            shows=self.shows,
            ends=odd in ("old", "old kept", "close", "last"),
            way=self.way,
        )


SHAPES = [
    *[("get", 0)] * 3,
    *[("sized", size) for size in (0, 25, 25, 25, 120)],
    *[("chunked" + extension, size) for extension in ("", ";a", ';a="b";c=d') for size in (0, 25)],
    ("chunked;a", 120),
]
"""How bodies are framed, and parts of their sizes."""
PATHS = ("/small", "/lasting", "/lasting", "/lasting", "/large", "/large", NO, "/none")
ODDS = (*[""] * 8, "absolute", "absolute", "blank", "blank", "websocket", "expect", *ODD)
MENU = [
    Good(path, shape, size, odd, shows, way)
    for way, shows, odd, (shape, size), path in product(
        (*WAYS, *[None] * len(WAYS)), (False, True), ODDS, SHAPES, PATHS
    )
    if size <= LIMITS.get(path, 0) or (odd in ("", "expect", "h2c") and path != "/large")
    if not (odd.startswith("old") and shape.startswith("chunked"))
    if not (odd == "expect" and shape == "get")
]
"""Every good request that is made of them, and few that are too large."""
asks = st.integers(0, len(MENU) - 1).map(lambda number: MENU[number].ask())
