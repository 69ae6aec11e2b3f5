"""Requests as bytes, and what one connection brings for them."""

from __future__ import annotations

import json
import re
import socket
from typing import NamedTuple

CHAT = "/v1/chat/completions"
ABSENT = json.dumps({"model": "nope", "messages": []}).encode()
"""A body that is read and understood where the answer to it is 404."""
PATIENCE = 5.0
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class Said(NamedTuple):
    """What came back."""

    data: bytes
    closed: bool
    """Whether the node ended the connection, within :data:`PATIENCE`."""

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in _STATUS.findall(self.data)]


def request(line: str, *lines: str, host: str | None = "localhost", body: bytes = b"") -> bytes:
    """A request with these lines in its head, and nothing else but its Host."""
    hosts = [] if host is None else [f"Host: {host}"]
    return "\r\n".join([line, *hosts, *lines, "", ""]).encode("latin-1") + body


def post(*lines: str, body: bytes = ABSENT, host: str | None = "localhost", path: str = CHAT) -> bytes:
    """A POST without a word about its length."""
    return request(f"POST {path} HTTP/1.1", *lines, host=host, body=body)


def sized(body: bytes = ABSENT, *lines: str, path: str = CHAT) -> bytes:
    """A POST as everybody sends it."""
    return post(f"Content-Length: {len(body)}", *lines, body=body, path=path)


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def hear(sock: socket.socket) -> Said:
    """Everything until the node closes, or says nothing more."""
    data = b""
    try:
        while chunk := sock.recv(65536):
            data += chunk
    except TimeoutError:
        return Said(data, False)
    except ConnectionError:
        pass
    return Said(data, True)


def hear_until(sock: socket.socket, end: bytes) -> bytes:
    """What comes up to ``end``."""
    data = b""
    while end not in data:
        chunk = sock.recv(65536)
        assert chunk, data
        data += chunk
    return data


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def answers(data: bytes) -> list[Answer]:
    """What a connection brought, taken apart as RFC 9112, 6.3 has it; nothing may be left."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, head
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        status, body = int(first.split()[1]), b""
        if headers.get("transfer-encoding") == "chunked":
            size = -1
            while size:
                line, _, data = data.partition(b"\r\n")
                size = int(line, 16)
                body += data[:size]
                assert data[size : size + 2] == b"\r\n"
                data = data[size + 2 :]
        elif status >= 200 and status != 204:
            length = int(headers["content-length"])
            body, data = data[:length], data[length:]
            assert len(body) == length
        found.append(Answer(status, headers, body))
    return found


def exchange(port: int, sent: bytes, piece: int | None = None) -> Said:
    """Send it, in one write or in pieces, and hear what comes until the end."""
    with connect(port) as sock:
        try:
            for at in range(0, len(sent), piece or len(sent)):
                sock.sendall(sent[at : at + (piece or len(sent))])
        except ConnectionError:
            pass  # it was heard enough of
        return hear(sock)
