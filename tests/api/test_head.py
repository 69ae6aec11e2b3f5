"""Request heads that are long, or never end."""

from __future__ import annotations

import socket

import httpx
import pytest

from bago_jupyter.client import NodeClient
from bago_jupyter.http1.limits import MAX_HEAD

LINE = b"GET /health HTTP/1.1\r\nhost: localhost\r\n"


def said_to(node: NodeClient, text: bytes) -> bytes:
    """What the node answers before it closes the connection."""
    parts = []
    with socket.create_connection(("127.0.0.1", node.node.port), timeout=30) as sock:
        sock.sendall(text)
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("start", "more"), [(b"GET /", b"x"), (LINE + b"x: ", b"y"), (LINE, b"a: b\r\n"), (b"", b"\r\n")]
)
def test_a_head_that_does_not_end_is_cut_off(node: NodeClient, start: bytes, more: bytes) -> None:
    answer = said_to(node, (start + more * MAX_HEAD)[: MAX_HEAD + 1])
    assert answer.startswith(b"HTTP/1.1 400 ") and b"at most 128 KiB." in answer
    assert httpx.get(node.url + "/health").status_code == 200


def test_a_long_head_is_read(node: NodeClient) -> None:
    length = MAX_HEAD - len(LINE) - len(b"connection: close\r\nx: \r\n\r\n")
    head = LINE + b"connection: close\r\nx: " + b"x" * length + b"\r\n\r\n"
    assert said_to(node, head).startswith(b"HTTP/1.1 200 ")


def test_heads_of_one_connection_do_not_add_up(node: NodeClient) -> None:
    with httpx.Client(headers={"x": "y" * (MAX_HEAD // 2)}) as http:
        for _ in range(5):
            assert http.get(node.url + "/health").status_code == 200
