"""``curl`` as the team's page shows it, and HTTP as other clients speak it."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from lan import Lan
from mesh.hosts import Node, answer, connection

from conformance.desk import ADA, BOB, DESK, HELLO, KEY, MAX_BODY

CHAT = "/v1/chat/completions"
SMALL = {"model": "smol", "messages": HELLO, "max_tokens": 2}
NO_CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def curl(lan: Lan, *words: str, host: int = DESK) -> tuple[int, dict[str, str], str]:
    """Run curl on a host; last status, last headers, body."""
    said = lan.run(host, "curl", "-sS", "-D", "-", *words)
    while True:
        head, _, said = said.replace("\r\n", "\n").partition("\n\n")
        status, *lines = head.splitlines()
        if " 100" not in status:
            break
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), said


@NO_CURL
def test_the_team_page(lan: Lan, ada: Node) -> None:
    status, headers, said = curl(
        lan,
        f"http://{lan.address(ADA)}:{ada.port}/v1/chat/completions",
        *("-H", "Content-Type: application/json"),
        *("-H", f"Authorization: Bearer {KEY}"),
        "-d",
        '{\n"model": "smol",\n"messages": [{"role": "user", "content": "Hello"}]\n}',
    )
    assert status == 200
    assert headers["x-bago-node"] == "bob"
    assert json.loads(said)["choices"][0]["message"]["content"]


@NO_CURL
def test_keys(lan: Lan, url: str) -> None:
    body = ["-d", json.dumps(SMALL)]
    for given, said in ((["-H", "Authorization: Bearer wrong"], "is wrong"), ([], "is missing")):
        status, _, text = curl(lan, url + CHAT, *given, *body)
        assert status == 401
        error = json.loads(text)["error"]
        assert (
            error["code"] == "invalid_api_key" and said in error["message"] and "Bearer" in error["message"]
        )
    for given in (f"authorization: bearer {KEY}", f"x-api-key: {KEY}"):
        assert curl(lan, url + "/v1/models", "-H", given)[0] == 200
    assert curl(lan, url + "/v1/models")[0] == 401
    assert curl(lan, url + "/metrics")[0] == 401
    assert curl(lan, url + "/health")[0] == 200


@NO_CURL
def test_what_other_machines_may_not(lan: Lan, bob: Node, url: str) -> None:
    there = f"http://{lan.address(BOB)}:{bob.port}"
    for path in (CHAT, "/v1/models", "/health"):
        status, _, said = curl(lan, there + path, "-H", f"Authorization: Bearer {KEY}")
        assert status == 403
        assert "external access" in json.loads(said)["error"]["message"]
    status, _, said = curl(lan, url + "/api/v1/status", "-H", f"Authorization: Bearer {KEY}")
    assert status == 403 and "own machine" in said


@NO_CURL
def test_ipv6(lan: Lan, ada: Node) -> None:
    where = f"http://[fd77::{ADA}]:{ada.port}/v1/models"
    status, _, said = curl(lan, where, "-H", f"Authorization: Bearer {KEY}")
    assert status == 200 and "smol" in said


@NO_CURL
def test_streamed_to_a_terminal(lan: Lan, url: str) -> None:
    body = json.dumps({**SMALL, "stream": True})
    status, headers, said = curl(lan, url + CHAT, "-N", "-H", f"Authorization: Bearer {KEY}", "-d", body)
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    lines = [line for line in said.split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert all(json.loads(line[6:])["object"] == "chat.completion.chunk" for line in lines[:-1])


@NO_CURL
@pytest.mark.parametrize("how", ["-0", "--http2", "--compressed", "--no-keepalive"])
def test_versions_of_http(lan: Lan, url: str, how: str) -> None:
    """``--http2`` only offers it in an Upgrade header, as Java's client does with every first request."""
    for stream in (False, True):
        status, headers, said = curl(
            lan,
            url + CHAT,
            how,
            *("-H", f"Authorization: Bearer {KEY}"),
            *("-d", json.dumps({**SMALL, "stream": stream})),
        )
        assert status == 200, said
        assert headers["x-bago-node"] == "bob"
        assert ("[DONE]" if stream else '"choices"') in said
        if how == "-0":
            assert "transfer-encoding" not in headers
            assert headers["connection"] == "close"


@NO_CURL
def test_curl_asks_before_it_sends_much(lan: Lan, url: str, tmp_path: Path) -> None:
    key = ["-H", f"Authorization: Bearer {KEY}"]
    fits, over = tmp_path / "fits", tmp_path / "over"
    fits.write_text(json.dumps({**SMALL, "user": "x" * 1_500_000}))
    over.write_bytes(b"x" * (MAX_BODY + 1))
    status, _, said = curl(lan, url + CHAT, *key, "-d", f"@{fits}")
    assert status == 200, said
    status, _, said = curl(lan, url + CHAT, *key, "-d", f"@{over}")
    assert status == 413 and json.loads(said)["error"]["code"] == "request_too_large"
    assert curl(lan, url + CHAT, "-H", "Authorization: Bearer no", "-d", f"@{fits}")[0] == 401


@NO_CURL
def test_compressed_requests_are_refused_clearly(lan: Lan, url: str, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(json.dumps(SMALL).encode()))
    words = ["-H", f"Authorization: Bearer {KEY}", "--data-binary", f"@{packed}"]
    status, _, said = curl(lan, url + CHAT, "-H", "Content-Encoding: gzip", *words)
    assert (status, json.loads(said)["error"]["code"]) == (415, "unsupported_encoding")
    assert "send plain JSON" in said


@NO_CURL
def test_methods_and_routes(lan: Lan, url: str) -> None:
    key = ["-H", f"Authorization: Bearer {KEY}"]
    status, headers, said = curl(lan, url + CHAT, *key)
    assert (status, headers["allow"]) == (405, "post")
    assert json.loads(said)["error"]["code"] == "method_not_allowed"
    status, headers, _ = curl(lan, url + "/v1/models", "-X", "DELETE", *key)
    assert status == 405 and "get" in headers["allow"]
    status, _, said = curl(lan, url + "/v1/nothing", *key)
    assert status == 404 and "/v1/nothing" in json.loads(said)["error"]["message"]


@NO_CURL
def test_pages_of_other_sites(lan: Lan, ada: Node) -> None:
    """On ada's own machine, where no key is between a page and the node of an open loopback."""
    here = f"http://127.0.0.1:{ada.port}"
    key = ["-H", f"Authorization: Bearer {KEY}"]
    for origin in ("https://evil.example", "null", "http://10.77.1.3"):
        status, headers, _ = curl(lan, here + CHAT, *key, "-H", f"Origin: {origin}", "-d", "{}", host=ADA)
        assert status == 403
        assert "access-control-allow-origin" not in headers
        asked = ["-X", "OPTIONS", "-H", f"Origin: {origin}", "-H", "Access-Control-Request-Method: POST"]
        assert curl(lan, here + CHAT, *asked, host=ADA)[0] == 403
    status, _, _ = curl(lan, here + "/v1/models", *key, "-H", "Host: evil.example", host=ADA)
    assert status == 403
    assert curl(lan, here + "/v1/models", *key, "-H", "Origin: http://localhost:8888", host=ADA)[0] == 200


def raw(lan: Lan, ada: Node, *requests: bytes, close: bool = True) -> bytes:
    """Everything that one connection brings."""
    with connection(lan, DESK, lan.address(ADA), ada.port) as sock:
        for request in requests:
            sock.sendall(request)
        if close:
            sock.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := sock.recv(65536):
            got += chunk
        return got


def post(body: dict[str, Any], *lines: str, version: str = "1.1") -> bytes:
    data = json.dumps(body).encode()
    head = [f"POST {CHAT} HTTP/{version}", "Host: ada", f"Authorization: Bearer {KEY}", *lines]
    return "\r\n".join([*head, f"Content-Length: {len(data)}", "", ""]).encode() + data


def test_pipelined(lan: Lan, ada: Node) -> None:
    first, second = {**SMALL, "stream": True}, {**SMALL, "model": "nope"}
    got = raw(lan, ada, post(first) + post(second) + post(SMALL, "Connection: close"), close=False)
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert got.index(b"data: [DONE]") < got.index(b"HTTP/1.1 404") < got.rindex(b"HTTP/1.1 200 OK")


def test_a_connection_is_used_again(lan: Lan, ada: Node) -> None:
    with connection(lan, DESK, lan.address(ADA), ada.port) as sock:
        for number in range(3):
            sock.sendall(post(SMALL, *(["Connection: close"] if number == 2 else [])))
            if number < 2:
                got = b""
                while b'"timings"' not in got:
                    got += sock.recv(65536)
        assert answer(sock)[0] == 200


@pytest.mark.parametrize("cut", [1, 60, 150, 250, -1])
def test_an_offer_of_another_protocol_is_declined(lan: Lan, ada: Node, cut: int) -> None:
    """However the request is cut into packets, and with another behind it."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    sent = post(SMALL, *offer) + post(SMALL, "Connection: close")
    got = b""
    with connection(lan, DESK, lan.address(ADA), ada.port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(sent[:cut])
        sock.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            got = sock.recv(1)
        sock.settimeout(20)
        sock.sendall(sent[cut:])
        while chunk := sock.recv(65536):
            got += chunk
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert b"101" not in got.split(b"\r\n")[0]


def test_no_proxy(lan: Lan, ada: Node) -> None:
    got = raw(lan, ada, b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", close=False)
    assert got.startswith(b"HTTP/1.1 400 ")


def test_old_clients(lan: Lan, ada: Node) -> None:
    """HTTP/1.0 knows no chunks: the connection's end is the answer's."""
    got = raw(lan, ada, post({**SMALL, "stream": True}, version="1.0"), close=False)
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b"data: {") and body.endswith(b"data: [DONE]\n\n")
    got = raw(lan, ada, post(SMALL, "Connection: keep-alive", version="1.0"), close=False)
    head, _, body = got.partition(b"\r\n\r\n")
    assert int(head.lower().partition(b"content-length: ")[2].split()[0]) == len(body)


def test_chunked_request(lan: Lan, ada: Node) -> None:
    data = json.dumps(SMALL).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: ada\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n"
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(data[at : at + 9]), data[at : at + 9]) for at in range(0, len(data), 9)
    )
    got = raw(
        lan, ada, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", close=False
    )
    assert got.startswith(b"HTTP/1.1 200 OK")


def test_ids_and_where_it_was_answered(http: Any, ada: Node, bob: Node) -> None:
    id = "trace-0a1b2c"
    got = http.post(CHAT, json=SMALL, headers={"x-request-id": id})
    assert got.headers["x-request-id"] == id
    assert ada.client.why(id).id == id and bob.client.why(id).caller.endswith("ada")
    refused = http.post(CHAT, json={**SMALL, "model": "nope"}, headers={"x-request-id": "trace-2"})
    assert refused.headers["x-request-id"] == "trace-2"
