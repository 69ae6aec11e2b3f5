"""The one port as machines see it that are no nodes: what external access opens, and who is too slow."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from lan import Lan
from mesh.hosts import PATIENCE, Inside, Node, Nodes, both_online, connection, plain, until

from bago_jupyter.errors import BagoError
from bago_jupyter.trust.tls import client_context

KEY = "sk-team-members-only"
DEADLINE = 1.0
DEADLINES = """
from bago_jupyter.http1 import limits
limits.FIRST_BYTE = limits.HANDSHAKE = limits.HEAD = limits.BODY = {}
"""


@pytest.fixture(scope="module")
def ada(nodes: Nodes) -> Node:
    """Reachable from the network; its deadlines for the slow are short."""
    return nodes(1, "ada", advertise=True, before=DEADLINES.format(DEADLINE))


@pytest.fixture(scope="module")
def bob(nodes: Nodes, starter_gguf) -> Node:
    """With external access, and patient beyond the end of every test."""
    before = DEADLINES.format(600)
    return nodes(2, "bob", model=starter_gguf, external=True, api_key=KEY, before=before)


# -- who may ask


def test_nothing_listens_before_it_must(lan: Lan, start: Nodes) -> None:
    quiet = start(3)
    with pytest.raises(ConnectionRefusedError), connection(lan, 4, lan.address(3), quiet.port):
        pass
    quiet.client.make_key()
    with connection(lan, 4, lan.address(3), quiet.port):
        pass


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/chat/completions", "/api/v1/status", "/metrics"])
def test_plain_http_from_another_host(lan: Lan, ada: Node, path: str) -> None:
    assert ada.file is not None
    for token in ("wrong", ada.file.admin_token):
        refused = plain(lan, 4, ada, path, authorization=f"Bearer {token}")
        assert refused.status_code == 403
        assert "external" in refused.json()["error"]["message"]
    spoofed = plain(lan, 4, ada, path, host="localhost", **{"x-forwarded-for": "127.0.0.1"})
    assert spoofed.status_code == 403


def test_plain_http_finds_no_mesh_side(lan: Lan, ada: Node, bob: Node) -> None:
    assert plain(lan, 4, ada, "/mesh/v1/hello").status_code == 403
    assert plain(lan, 4, bob, "/mesh/v1/hello", authorization=f"Bearer {KEY}").status_code == 404
    assert ada.http.get("/mesh/v1/hello").status_code == 404


def test_external_access_needs_a_key(lan: Lan, start: Nodes, ada: Node) -> None:
    with pytest.raises(AssertionError, match="API key"):
        start(3, "open", external=True)
    with pytest.raises(BagoError, match="API key"):
        ada.client.configure(external=True)
    assert plain(lan, 4, ada, "/v1/models").status_code == 403


def test_external_clients_use_models_and_nothing_else(lan: Lan, bob: Node) -> None:
    assert bob.file is not None
    assert plain(lan, 4, bob, "/v1/models").status_code == 401
    assert plain(lan, 4, bob, "/v1/models", authorization="Bearer wrong").status_code == 401
    listed = plain(lan, 4, bob, "/v1/models", authorization=f"Bearer {KEY}")
    assert [entry["id"] for entry in listed.json()["data"]] == ["smol"]
    assert plain(lan, 4, bob, "/health").status_code == 200
    for key in (KEY, bob.file.admin_token):
        for path in ("/api/v1/status", "/api/v1/keys", "/api/v1/settings", "/api/v1/log"):
            assert plain(lan, 4, bob, path, authorization=f"Bearer {key}").status_code == 403
    ask = {"model": "smol", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
    url = f"http://{lan.address(2)}:{bob.port}/v1/chat/completions"
    with httpx.Client(transport=Inside(lan, 4), timeout=PATIENCE) as http:
        assert http.post(url, json=ask).status_code == 401
        assert http.post(url, json=ask, headers={"x-api-key": KEY}).status_code == 200


def test_external_access_goes_live_and_ends_live(lan: Lan, ada: Node) -> None:
    ada.client.configure(external=True, api_key="sk-live")
    assert plain(lan, 4, ada, "/v1/models", authorization="Bearer sk-live").status_code == 200
    ada.client.configure(external=False)
    assert plain(lan, 4, ada, "/v1/models", authorization="Bearer sk-live").status_code == 403
    assert "sk-live" not in str(ada.client.settings())
    ada.client.configure(api_key=None)


# -- the slow


def is_closed(sock: socket.socket | ssl.SSLSocket, again: bytes = b"") -> bool:
    """Whether the other side hangs up in the end, while it is sent ``again`` from time to time."""
    deadline = time.monotonic() + PATIENCE
    sock.settimeout(0.2)
    while time.monotonic() < deadline:
        try:
            if again:
                sock.sendall(again)
            if not sock.recv(4096):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def secured(sock: socket.socket, node: Node) -> ssl.SSLSocket:
    return client_context(None, node.fingerprint).wrap_socket(sock)


@contextlib.contextmanager
def _opened(lan: Lan, node: Node, secure: bool) -> Iterator[socket.socket | ssl.SSLSocket]:
    with connection(lan, 4, lan.address(node.host), node.port) as sock:
        if secure:
            with secured(sock, node) as tls:
                yield tls
        else:
            yield sock


HEAD = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n"
POST = b"POST /mesh/v1/pair HTTP/1.1\r\nhost: x\r\ncontent-length: 20000\r\n\r\n"
SLOW = {"one byte": (b"G", b""), "endless head": (HEAD, b"x: y\r\n"), "trickled body": (POST, b"x")}


@pytest.mark.parametrize(
    ("secure", "first", "again"),
    [
        pytest.param(False, b"", b"", id="silent"),
        pytest.param(True, b"", b"", id="silent-tls"),
        pytest.param(False, b"\r\n", b"", id="blank line"),
        pytest.param(True, b"\r\n", b"", id="blank line-tls"),
        pytest.param(False, HEAD + b"\r\n", b"\r\n", id="blank lines after a request"),
        *(
            pytest.param(secure, *sent, id=f"{name}{'-tls' if secure else ''}")
            for secure in (False, True)
            for name, sent in SLOW.items()
        ),
    ],
)
def test_slow_clients_are_hung_up_on(lan: Lan, ada: Node, secure: bool, first: bytes, again: bytes) -> None:
    with _opened(lan, ada, secure) as sock:
        if first:
            sock.sendall(first)
        assert is_closed(sock, again)


@pytest.mark.parametrize("first", [b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["a byte", "half a hello"])
def test_half_a_handshake_is_hung_up_on(lan: Lan, ada: Node, first: bytes) -> None:
    with connection(lan, 4, lan.address(1), ada.port) as sock:
        sock.sendall(first)
        assert is_closed(sock)


def _silent(sock: socket.socket) -> None:
    pass


def _half(sock: socket.socket) -> None:
    sock.sendall(b"\x16\x03\x01")


@pytest.mark.parametrize("begin", [_silent, _half], ids=["silent", "half a handshake"])
def test_three_hundred_silent_ones_lock_nobody_out(
    lan: Lan, bob: Node, ada: Node, begin: Callable[[socket.socket], None]
) -> None:
    """The good ones do not wait until the time of the silent ones has run out."""
    with contextlib.ExitStack() as held:
        for _ in range(300):
            begin(held.enter_context(connection(lan, 4, lan.address(2), bob.port)))
        answer = plain(lan, 3, bob, "/v1/models", authorization=f"Bearer {KEY}")
        assert answer.status_code == 200
        assert bob.http.get("/health").status_code == 200
        with connection(lan, 3, lan.address(2), bob.port) as sock, secured(sock, bob):
            pass
        if not ada.paired(bob):
            ada.pair(bob)
        both_online(ada, bob)
    until(lambda: bob.http.get("/health").status_code == 200)


def test_endless_request_body_is_cut(lan: Lan, start: Nodes) -> None:
    small = start(3, "small", max_body=4096)
    answer = small.http.post("/v1/chat/completions", content=b"x" * 1_000_000)
    assert answer.status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x" * 4096

    with contextlib.suppress(httpx.TransportError):
        assert small.http.post("/v1/chat/completions", content=endless()).status_code == 413
    assert small.http.get("/health").status_code == 200
