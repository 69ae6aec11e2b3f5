"""One connection: requests behind each other, offers of other protocols, and a client that asks first."""

from __future__ import annotations

import json

import pytest
from api.raw import (
    ABSENT,
    CHAT,
    Answer,
    answers,
    chunked,
    connect,
    exchange,
    hear,
    hear_until,
    post,
    request,
    sized,
)

from bago_jupyter.client import NodeClient

MAX_BODY = 1 << 20
HEALTH = request("GET /health HTTP/1.1")
LAST = request("GET /health HTTP/1.1", "Connection: close")
CHUNKED = "Transfer-Encoding: chunked"
ASK = {"model": "smol", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
SMALL = json.dumps(ASK).encode()
STREAM = json.dumps({**ASK, "stream": True}).encode()
TOO_LARGE = post(f"Content-Length: {MAX_BODY + 1}", body=b"x" * 1000)


@pytest.fixture(scope="module")
def port(node: NodeClient) -> int:
    return node.node.port


# -- behind each other: RFC 9112, 9.3.2


def mixed(port: int) -> list[tuple[bytes, int, bytes]]:
    """Requests, and the status and a part of the body of their answers."""
    offer = ("Connection: Upgrade", "Upgrade: h2c")
    return [
        (HEALTH, 200, b'"ok"'),
        (sized(SMALL), 200, b'"choices"'),
        (request("GET /v1/nothing HTTP/1.1"), 404, b"/v1/nothing"),
        (sized(STREAM), 200, b"data: [DONE]"),
        (
            post(CHUNKED, body=chunked(*(ABSENT[at : at + 5] for at in range(0, len(ABSENT), 5)))),
            404,
            b"nope",
        ),
        (request("GET /v1/models HTTP/1.1"), 200, b'"smol"'),
        (request("GET /v1/chat/completions HTTP/1.1"), 405, b"POST"),
        (request(f"GET http://localhost:{port}/health HTTP/1.1"), 200, b'"ok"'),
        (sized(ABSENT, *offer), 404, b"nope"),
        (b"\r\n" + LAST, 200, b'"ok"'),  # RFC 9112, 2.2: an empty line before a request
    ]


@pytest.mark.parametrize("piece", [None, 1000, 1], ids=["in one write", "in pieces", "by bytes"])
def test_ten_in_one_write(port: int, piece: int | None) -> None:
    asked = mixed(port)
    got = exchange(port, b"".join(sent for sent, _, _ in asked), piece)
    found = answers(got.data)
    assert [answer.status for answer in found] == [status for _, status, _ in asked]
    for answer, (_, _, part) in zip(found, asked, strict=True):
        assert part in answer.body
    assert got.closed and found[-1].headers["connection"] == "close"
    assert all(answer.headers.get("connection") != "close" for answer in found[:-1])


REFUSED = {
    "no Host": (request("GET /health HTTP/1.1", host=None), 400),
    "two lengths": (post("Content-Length: 4", "Content-Length: 5", body=b"true"), 400),
    "rubbish": (b"\0\0\0\0\r\n\r\n", 400),
    "too large": (TOO_LARGE, 413),
    "too large by chunks": (post(CHUNKED, body=b"400000\r\n" + b"x" * (2 * MAX_BODY)), 413),
    "another Host": (post(f"Content-Length: {MAX_BODY}", body=b"true", host="evil.example"), 403),
    "another Host, by chunks": (post(CHUNKED, body=b"4000\r\ntrue", host="evil.example"), 403),
    "another way": (post(f"Content-Length: {MAX_BODY}", body=b"true", path="/nothing"), 404),
}


@pytest.mark.parametrize(("refused", "status"), [pytest.param(*REFUSED[name], id=name) for name in REFUSED])
def test_a_refused_one_is_the_last(port: int, refused: bytes, status: int) -> None:
    """After its answer, and after those before it; RFC 9112, 9.6: it says so."""
    got = exchange(port, HEALTH + sized(SMALL) + refused + HEALTH)
    found = answers(got.data)
    assert [answer.status for answer in found] == [200, 200, status]
    assert found[-1].headers.get("connection") == "close" and got.closed


def test_one_that_was_read_is_not(port: int) -> None:
    """An error of which nothing is unread ends no connection."""
    got = exchange(port, sized() + sized(b"{") + request("GET /nothing HTTP/1.1") + LAST)
    assert got.statuses == [404, 400, 404, 200]


# -- offers: RFC 9110, 7.8: a server may go on as if there was none


WEBSOCKET = (
    *("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")


@pytest.mark.parametrize("piece", [None, 1], ids=["whole", "by bytes"])
@pytest.mark.parametrize(
    ("sent", "status", "part"),
    [
        (request("GET /health HTTP/1.1", *WEBSOCKET), 200, b'"ok"'),
        (request("GET /health HTTP/1.1", *H2C), 200, b'"ok"'),
        (request("GET /v1/models HTTP/1.1", "Connection: upgrade", "Upgrade: TLS/1.0"), 200, b"smol"),
        (sized(ABSENT, *WEBSOCKET), 404, b"nope"),
        (sized(ABSENT, *H2C), 404, b"nope"),
        (post(CHUNKED, *H2C, body=chunked(ABSENT[:7], ABSENT[7:])), 404, b"nope"),
        (post(CHUNKED, *WEBSOCKET, body=chunked(ABSENT)), 404, b"nope"),
    ],
    ids=["websocket", "h2c", "tls", "websocket-body", "h2c-body", "h2c-chunks", "websocket-chunks"],
)
def test_offers_are_declined(port: int, sent: bytes, status: int, part: bytes, piece: int | None) -> None:
    """With a body or without; what stands behind is the next request."""
    found = answers(exchange(port, sent + LAST, piece).data)
    assert [answer.status for answer in found] == [status, 200]
    assert part in found[0].body


@pytest.mark.parametrize("line", ["Transfer-Encoding: chunked", "Content-Length: 5"])
def test_an_offer_hides_no_second_length(port: int, line: str) -> None:
    got = exchange(port, sized(ABSENT, line, *H2C) + LAST)
    assert got.statuses == [400] and got.closed


# -- bytes that are no HTTP


HELLO = bytes.fromhex("16030100a5010000a10303") + b"\0" * 155


@pytest.mark.parametrize(
    "sent", [HELLO, HELLO[:1] + HEALTH, HELLO[:6] + HEALTH * 4], ids=["hello", "16", "half"]
)
def test_tls_gets_no_http(port: int, sent: bytes) -> None:
    got = exchange(port, sent + HEALTH)
    assert got.statuses == [] and got.closed and b"HTTP" not in got.data


def test_tls_behind_a_request(port: int) -> None:
    got = exchange(port, HEALTH + HELLO + HEALTH)
    assert got.statuses == [200, 400] and got.closed


# -- asking first: RFC 9110, 10.1.1


EXPECT = "Expect: 100-continue"


@pytest.mark.parametrize(
    ("line", "body"), [(f"Content-Length: {len(ABSENT)}", ABSENT), (CHUNKED, chunked(ABSENT))]
)
def test_asking_first(port: int, line: str, body: bytes) -> None:
    with connect(port) as sock:
        sock.sendall(post(line, EXPECT, body=b""))
        assert hear_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body + LAST)
        got = hear(sock)
    assert got.statuses == [404, 200] and b"nope" in got.data


def test_not_waiting_for_leave(port: int) -> None:
    got = exchange(port, sized(ABSENT, EXPECT) + LAST)
    assert [status for status in got.statuses if status != 100] == [404, 200]


def refused(*lines: str, host: str | None = "localhost") -> bytes:
    return post(EXPECT, *lines, host=host, body=b"")


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        pytest.param(refused(f"Content-Length: {MAX_BODY + 1}"), {413}, id="too large"),
        pytest.param(refused("Content-Length: 5", host="evil.example"), {403, 421}, id="another Host"),
        pytest.param(refused("Content-Length: 5", host=None), {400}, id="no Host"),
        pytest.param(refused("Content-Length: 5", "Origin: https://evil.example"), {403}, id="a page"),
        pytest.param(refused("Transfer-Encoding: gzip, chunked"), {400, 501}, id="gzip"),
        pytest.param(refused("Content-Length: 5", "Content-Encoding: gzip"), {415}, id="packed"),
    ],
)
def test_a_refused_head_gets_no_leave(port: int, sent: bytes, statuses: set[int]) -> None:
    """And the connection ends, since the client may send its body all the same."""
    got = exchange(port, sent)
    assert len(got.statuses) == 1 and got.statuses[0] in statuses, got.data
    assert got.closed


def test_old_clients_are_not_given_leave(port: int) -> None:
    with connect(port) as sock:
        head = request(f"POST {CHAT} HTTP/1.0", EXPECT, f"Content-Length: {len(ABSENT)}")
        sock.sendall(head)
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(5)
        sock.sendall(ABSENT)
        found: list[Answer] = answers(hear(sock).data)
    assert [answer.status for answer in found] == [404]
