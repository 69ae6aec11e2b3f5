"""Requests of which two programs could think differently where they end, or whom they are for.

Behind each stands another request. Where the first is refused, nothing behind it is answered: a proxy
in front may have taken it for a part of the first.
"""

from __future__ import annotations

import pytest
from api.raw import ABSENT, CHAT, exchange, post, request, sized

from bago_jupyter.client import NodeClient

NEXT = request("GET /health HTTP/1.1", "Connection: close")
OURS = {400, 403, 421}
"""What the guard may say, and a parser that looks at a Host first."""
LENGTH = f"Content-Length: {len(ABSENT)}"
CHUNKED = "Transfer-Encoding: chunked"
WHOLE = b"%x\r\n%s\r\n0\r\n\r\n" % (len(ABSENT), ABSENT)


def chunk(size: bytes, data: bytes = ABSENT, end: bytes = b"\r\n") -> bytes:
    """A chunked request whose first chunk calls its size so."""
    return post(CHUNKED, body=size + b"\r\n" + data + end + b"0\r\n\r\n")


def length(*values: str) -> bytes:
    return post(*[f"Content-Length: {value}" for value in values])


def coded(*values: str, body: bytes = WHOLE) -> bytes:
    return post(*[f"Transfer-Encoding: {value}" for value in values], body=body)


def line(field: bytes) -> bytes:
    """A request with these bytes as a line of its head."""
    return b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + field + b"\r\n\r\n"


SIZE = b"%x" % len(ABSENT)
FRAMING = {
    # RFC 9112, 6.1 and 6.3 (3): both is an attempt at smuggling
    "TE and CL": post(CHUNKED, LENGTH, body=WHOLE),
    "CL and TE": post(LENGTH, CHUNKED, body=WHOLE),
    "CL of all, TE of a part": post(f"Content-Length: {len(NEXT) + 5}", CHUNKED, body=b"0\r\n\r\n"),
    "CL of a part, TE of all": post("Content-Length: 4", CHUNKED, body=WHOLE),
    "TE folded, and CL": post("Transfer-Encoding:\r\n chunked", LENGTH, body=WHOLE),
    # RFC 9110, 8.6 and RFC 9112, 6.3 (5): one number of digits, once
    "two equal CLs": length(str(len(ABSENT)), str(len(ABSENT))),
    "two CLs": length(str(len(ABSENT)), "0"),
    "two CLs, the other way": length("0", str(len(ABSENT))),
    "a list of CLs": length(f"{len(ABSENT)}, {len(ABSENT)}"),
    "a list of two CLs": length(f"{len(ABSENT)}, 0"),
    "CL with +": length(f"+{len(ABSENT)}"),
    "CL with -": length(f"-{len(ABSENT)}"),
    "CL in hex": length(f"0x{len(ABSENT):x}"),
    "CL with a space": length("3 3"),
    "CL with a letter": length(f"{len(ABSENT)}a"),
    "CL with a point": length(f"{len(ABSENT)}.0"),
    "CL with _": length("3_3"),
    "CL in other digits": length(f"{len(ABSENT)}\xb2"),
    "an empty CL": length(""),
    "CL of 65 bits": length(str(2**64 + len(ABSENT))),
    # RFC 9112, 7.1: hex digits, a line end, the data, a line end
    "chunk of no size": chunk(b""),
    "chunk with -": chunk(b"-" + SIZE),
    "chunk with +": chunk(b"+" + SIZE),
    "chunk with 0x": chunk(b"0x" + SIZE),
    "chunk after a space": chunk(b" " + SIZE),
    "chunk before a space": chunk(SIZE + b" "),
    "chunk with a space": chunk(b"2 1"),
    "chunk of 65 bits": chunk(b"10000000000000000"),
    "chunk of 68 bits that wraps": chunk(b"10000000000000000" + SIZE),
    "chunk with a letter": chunk(SIZE + b"g"),
    "chunk with _": chunk(b"2_1"),
    "chunk with a NUL": chunk(SIZE + b"\0"),
    "chunk with a bare LF": post(CHUNKED, body=SIZE + b"\n" + ABSENT + b"\r\n0\r\n\r\n"),
    "chunk with a bare CR": post(CHUNKED, body=SIZE + b"\r" + ABSENT + b"\r\n0\r\n\r\n"),
    "LF in an extension": chunk(SIZE + b";a\nb"),
    "chunk without its end": chunk(SIZE, end=b""),
    "chunk with another end": chunk(SIZE, end=b"xx"),
    "chunk that ends in LF": chunk(SIZE, end=b"\n"),
    "trailer of no name": post(CHUNKED, body=WHOLE[:-2] + b": x\r\n\r\n"),
    # RFC 9112, 6.1 and 6.3 (4): chunked, once and last
    "gzip, chunked": coded("gzip, chunked"),
    "gzip and chunked": coded("gzip", "chunked"),
    "chunked, gzip": coded("chunked, gzip"),
    "chunked and gzip": coded("chunked", "gzip"),
    "chunked twice": coded("chunked, chunked"),
    "chunked in two lines": coded("chunked", "chunked"),
    "chunked, identity": coded("chunked", "identity"),
    "identity": coded("identity", body=b""),
    "xchunked": coded("xchunked"),
    "chunkedx": coded("chunkedx"),
    "quoted": coded('"chunked"'),
    "with a parameter": coded("chunked;q=1"),
    "after a vertical tab": coded("\x0bchunked"),
    "an empty TE": coded(""),
    "TE in HTTP/1.0": request(f"POST {CHAT} HTTP/1.0", CHUNKED, "Connection: keep-alive", body=WHOLE),
}
HEADS = {
    # RFC 9112, 5.2: no folding
    "a folded value": line(b"a: b\r\n c"),
    "a value folded by a tab": line(b"a: b\r\n\tc"),
    "a folded host": b"GET /health HTTP/1.1\r\nHost:\r\n localhost\r\n\r\n",
    "a folded first line": b"GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n",
    # RFC 9110, 5.5: no NUL, CR or LF in a value; RFC 9110, 5.6.2: names are tokens
    "NUL in a value": line(b"a: b\0c"),
    "NUL in a name": line(b"a\0b: c"),
    "NUL in the target": b"GET /health\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "NUL in the method": b"G\0ET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a control in a value": line(b"a: b\x08c"),
    "a name with a space": line(b"a b: c"),
    "a name before a space": line(b"a : b"),  # RFC 9112, 5.1
    "TE before a space": post("Transfer-Encoding : chunked", body=WHOLE),
    "CL before a space": post(f"Content-Length : {len(ABSENT)}"),
    "no colon": line(b"ab"),
    "no name": line(b": b"),
    "a name in brackets": line(b"a(b): c"),
    "a name of other letters": line(b"\xe4: b"),
    # RFC 9112, 2.2: a line ends in CR and LF
    "bare LFs": b"GET /health HTTP/1.1\nHost: localhost\n\n",
    "a bare LF": b"GET /health HTTP/1.1\r\nHost: localhost\na: b\r\n\r\n",
    "a bare LF after the first line": b"GET /health HTTP/1.1\nHost: localhost\r\n\r\n",
    "an empty line of LF": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\n",
    "bare CRs": b"GET /health HTTP/1.1\rHost: localhost\r\r",
    "a bare CR in a value": line(b"a: b\rc: d"),
    "a bare CR in the first line": b"GET /health\r HTTP/1.1\r\nHost: localhost\r\n\r\n",
    # RFC 9112, 3: method, target, version, a space between
    "a space in the target": request("GET /health x HTTP/1.1"),
    "a tab": request("GET\t/health HTTP/1.1"),
    "no method": request("/health HTTP/1.1"),
    "another method": request("G=T /health HTTP/1.1"),
    "no slash": request("GET health HTTP/1.1"),
    "HTTP/0.9": b"GET /health\r\n",
    "a small http": request("GET /health http/1.1"),
    "version 1.": request("GET /health HTTP/1."),
    "version 1.1x": request("GET /health HTTP/1.1x"),
    "version 01.1": request("GET /health HTTP/01.1"),
    "HTTP/2": request("GET /health HTTP/2.0"),
    "HTTP/3.7": request("GET /health HTTP/3.7"),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",  # RFC 9113, 3.4
    "100,000 headers": line(b"\r\n".join([b"a: b"] * 100_000)),  # RFC 9110, 5.4
    # RFC 9112, 3.2: one Host, and a valid one
    "no Host": request("GET /health HTTP/1.1", host=None),
    "two Hosts": request("GET /health HTTP/1.1", "Host: localhost"),
    "two Hosts that differ": request("GET /health HTTP/1.1", "Host: evil.example"),
    "a foreign Host first": request("GET /health HTTP/1.1", "Host: localhost", host="evil.example"),
    # RFC 9112, 3.2.3 and RFC 9110, 9.3.6: an authority is for proxies
    "an authority": request("GET localhost:80 HTTP/1.1"),
    "CONNECT": request("CONNECT evil.example:443 HTTP/1.1", host="evil.example:443"),
    "CONNECT to itself": request("CONNECT localhost:80 HTTP/1.1"),
}
HOSTS = (
    *("", "[::1]evil.com", "[::1]:80evil.com", "[::1", "::1", "[::1].evil.com", "[localhost]"),
    *("localhost:x@evil.com", "localhost@evil.com", "x@localhost", "localhost:80@evil.com:80"),
    *("localhost.evil.com", "127.0.0.1.evil.com", "localhost, evil.com", "localhost evil.com"),
    *("evil.com", "evil.com:80", "localhost/", "localhost/evil.com", "localhost?x", "localhost#x"),
    *("localhost\\evil.com", "localhost:-1", "localhost:80:80", "localhost:8x", "127.1", "2130706433"),
    *("localhost%00.evil.com", "loc\xe4lhost", "0.0.0.0"),
)


@pytest.fixture(scope="module")
def port(node: NodeClient) -> int:
    return node.node.port


PIECES = {"whole": None, "by bytes": 1, "in pieces": 7}
ROWS = [
    pytest.param(sent, piece, id=f"{name}-{how}")
    for name, sent in (FRAMING | HEADS).items()
    for how, piece in PIECES.items()
    if piece is None or len(sent) < 1000
]


@pytest.mark.parametrize(("sent", "piece"), ROWS)
def test_what_is_not_clear_is_refused(port: int, sent: bytes, piece: int | None) -> None:
    """Once, with the connection closed, and for what it is rather than for what was read of its body."""
    got = exchange(port, sent + NEXT, piece)
    assert len(got.statuses) == 1, got.data
    assert got.statuses[0] in {400, 405, 431, 501, 505}, got.data
    assert b"JSON" not in got.data and b"nope" not in got.data, got.data
    assert got.closed, got.data


CLEAR = {
    "a length": (length(str(len(ABSENT))), 404),
    "a length with zeros": (length(f"00{len(ABSENT)}"), 404),
    "chunks": (coded("chunked"), 404),
    "CHUNKS": (coded("Chunked"), 404),
    "a size with zeros": (chunk(b"000" + SIZE), 404),
    "an extension": (chunk(SIZE + b';a="b"'), 404),
    "trailers": (post(CHUNKED, body=WHOLE[:-2] + b"a: b\r\nHost: evil.example\r\n\r\n"), 404),
    "a header": (line(b"a: b\xe4c"), 200),
    "spaces around a value": (line(b"a: \t b \t"), 200),
    "an empty value": (line(b"a:"), 200),
    "an empty line before": (b"\r\n" + line(b"a: b"), 200),
}


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize(("sent", "status"), [pytest.param(*CLEAR[name], id=name) for name in CLEAR])
def test_what_is_clear_is_answered(port: int, sent: bytes, status: int, piece: int | None) -> None:
    """The same requests without what is wrong with them: RFC 9112, 6.3 and 7.1, RFC 9110, 5.5."""
    got = exchange(port, sent + NEXT, piece)
    assert got.statuses == [status, 200], got.data


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/health", "/v1/models"])
def test_another_host_is_refused(port: int, host: str, path: str) -> None:
    """RFC 9112, 3.2, and what the guard is there for: a name that only begins like ours."""
    got = exchange(port, request(f"GET {path} HTTP/1.1", "Connection: close", host=host))
    assert len(got.statuses) == 1 and got.statuses[0] in OURS and got.closed, got.data
    got = exchange(port, sized().replace(b"localhost", host.encode("latin-1"), 1) + NEXT)
    assert got.statuses in ([400], [403], [421], [403, 200], [421, 200]), got.data
    assert got.closed


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost:1", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:80"]
)
def test_the_own_host_is_served(port: int, host: str) -> None:
    assert exchange(port, request("GET /health HTTP/1.1", "Connection: close", host=host)).statuses == [200]


# RFC 9112, 3.2.2: a server takes the absolute form, and its host instead of the Host
@pytest.mark.parametrize(
    ("target", "host", "statuses"),
    [
        ("http://127.0.0.1:{}/health", "127.0.0.1:{}", {200}),
        ("http://localhost:{}/v1/models", "localhost:{}", {200}),
        ("HTTP://LOCALHOST:{}/health", "localhost:{}", {200}),
        ("http://[::1]:{}/health?x=1", "[::1]:{}", {200}),
        ("http://evil.com/health", "localhost", OURS),
        ("http://evil.com/health", "evil.com", OURS),
        ("http://localhost.evil.com:{}/health", "localhost", OURS),
        ("http://localhost@evil.com/health", "localhost", OURS),
        ("http://localhost:x@evil.com/health", "localhost", OURS),
        ("http://[::1]evil.com/health", "localhost", OURS),
        ("http:///health", "localhost", OURS | {404}),
        ("http://127.0.0.1:{}/health", "evil.com", OURS | {200}),
        ("*", "localhost", OURS | {404, 405}),
        ("//evil.com/health", "localhost", {400, 404}),
    ],
)
def test_targets(port: int, target: str, host: str, statuses: set[int]) -> None:
    line = f"GET {target.format(port)} HTTP/1.1"
    got = exchange(port, request(line, "Connection: close", host=host.format(port)))
    assert len(got.statuses) == 1 and got.statuses[0] in statuses and got.closed, got.data
