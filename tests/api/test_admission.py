"""A connection that is not asked again who it is: only as long as nothing of that has changed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from api.raw import ABSENT, CHAT, answers, chunked, connect, hear_until, post, request, sized
from headless import Headless

from bago_jupyter.client import NodeClient

CHUNKED = "Transfer-Encoding: chunked"
OLD, NEW = "sk-the-old-one", "sk-the-new-one"
END = b"}}"
"""How an error ends."""


def bearer(key: str) -> str:
    return f"Authorization: Bearer {key}"


def status(sock: socket.socket, sent: bytes) -> int:
    sock.sendall(sent)
    (answer,) = answers(hear_until(sock, END))
    return answer.status


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeClient]:
    host = Headless(tmp_path_factory.mktemp("home"), "here")
    yield host.client
    host.close()


def test_a_key_that_was_changed_lets_nobody_in_on_a_connection_that_it_opened(node: NodeClient) -> None:
    node.configure(api_key=OLD)
    with connect(node.node.port) as sock:
        for _ in range(3):
            assert status(sock, sized(ABSENT, bearer(OLD))) == 404
        node.configure(api_key=NEW)
        assert status(sock, sized(ABSENT, bearer(OLD))) == 401


def test_a_named_key_that_was_taken_back_is_worth_nothing_at_once(node: NodeClient) -> None:
    node.configure(api_key=OLD)
    key = node.add_api_key("ada").key
    with connect(node.node.port) as sock:
        for _ in range(3):
            assert status(sock, sized(ABSENT, bearer(key))) == 404
        node.remove_api_key("ada")
        assert status(sock, sized(ABSENT, bearer(key))) == 401


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(sized(ABSENT, bearer("wrong")), 401, id="another key"),
        pytest.param(sized(ABSENT), 401, id="no key"),
        pytest.param(sized(ABSENT, bearer(OLD), bearer("wrong")), 404, id="the first of two keys"),
        pytest.param(sized(ABSENT, bearer("wrong"), bearer(OLD)), 401, id="the second of two keys"),
        pytest.param(sized(ABSENT, bearer(OLD), "Origin: http://evil.example"), 403, id="a foreign page"),
        pytest.param(
            post(f"Content-Length: {len(ABSENT)}", bearer(OLD), host="evil.example"), 403, id="another host"
        ),
        pytest.param(sized(ABSENT, bearer(OLD), "Host: localhost"), 400, id="two hosts"),
        pytest.param(sized(ABSENT, bearer(OLD), "Content-Encoding: gzip"), 415, id="packed"),
        pytest.param(
            post("Transfer-Encoding: gzip, chunked", bearer(OLD), body=chunked(ABSENT)), 400, id="coded"
        ),
        pytest.param(post(CHUNKED, bearer(OLD), body=chunked(ABSENT)), 404, id="in chunks"),
        pytest.param(post("Content-Length: 99999999999", bearer(OLD), body=b""), 413, id="too large"),
        pytest.param(request(f"PUT {CHAT} HTTP/1.1", bearer(OLD)), 405, id="another method"),
        pytest.param(sized(ABSENT, bearer(OLD), path="/v1/embeddings"), 404, id="another route"),
        pytest.param(request(f"POST {CHAT} HTTP/2.0", bearer(OLD)), 400, id="another version"),
    ],
)
def test_what_says_another_thing_is_asked_again(node: NodeClient, other: bytes, expected: int) -> None:
    node.configure(api_key=OLD)
    with connect(node.node.port) as sock:
        for _ in range(3):
            assert status(sock, sized(ABSENT, bearer(OLD))) == 404
        assert status(sock, other) == expected
