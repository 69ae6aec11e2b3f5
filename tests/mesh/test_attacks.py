"""Strangers, impostors and former friends. Nothing of theirs is accepted, and nothing breaks."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from lan import Lan
from mesh.hosts import (
    MESSAGES,
    Node,
    Nodes,
    both_online,
    connection,
    identity_of,
    key_state,
    mesh,
    token_of,
    until,
)

from bago_jupyter.errors import BagoError
from bago_jupyter.identity import Identity
from bago_jupyter.state import Home
from bago_jupyter.trust.connection_key import ConnectionKey
from bago_jupyter.trust.secret import Secret
from bago_jupyter.trust.tls import server_context

DISCOVERER = Path(__file__).parent.parent / "discovery" / "node.py"


@pytest.fixture(scope="module")
def three(nodes: Nodes) -> tuple[Node, Node, Node]:
    """Bob is paired with ada and cyd, who do not know each other."""
    ada, bob, cyd = (nodes(n, name, advertise=True) for n, name in ((1, "ada"), (2, "bob"), (3, "cyd")))
    ada.pair(bob)
    cyd.pair(bob)
    return ada, bob, cyd


@pytest.fixture
def ada(three: tuple[Node, Node, Node]) -> Node:
    return three[0]


@pytest.fixture
def bob(three: tuple[Node, Node, Node]) -> Node:
    return three[1]


@pytest.fixture
def cyd(three: tuple[Node, Node, Node]) -> Node:
    return three[2]


@pytest.fixture
def eve(tmp_path: Path) -> Identity:
    """A key pair that nobody trusts."""
    (tmp_path / "eve").mkdir(mode=0o700)
    return Identity.open(Home(tmp_path / "eve"))


@pytest.fixture(autouse=True)
def unharmed(three: tuple[Node, Node, Node]) -> Iterator[None]:
    """After each attack every node is up, knows whom it knew, and made no mistake."""
    yield
    ada, bob, _ = three
    both_online(ada, bob)
    assert {node.name for node in bob.client.nodes()} == {"ada", "cyd"}
    assert [node.name for node in ada.client.nodes()] == ["bob"]
    for node in three:
        assert "Traceback" not in node.log(), node.log()
        assert not node.process.errors


# -- keys


def test_used_key_again(three: tuple[Node, Node, Node], start: Nodes) -> None:
    ada, bob, _ = three
    key = str(bob.client.make_key().text)
    dan = start(4, "dan")
    dan.client.connect(key)
    dan.client.remove_node("bob")
    until(lambda: not bob.paired(dan))
    for thief in (dan, ada):
        with pytest.raises(BagoError, match="used"):
            thief.client.connect(key)
    assert not bob.paired(dan)


def test_revoked_and_expired_keys(bob: Node, cyd: Node, ada: Node) -> None:
    short = ada.client.make_key(ttl=1)
    revoked = ada.client.make_key()
    ada.client.revoke_key(revoked.id)
    with pytest.raises(BagoError, match="revoked"):
        cyd.client.connect(str(revoked.text))
    until(lambda: time.time() > short.expires)
    with pytest.raises(BagoError, match="expired"):
        cyd.client.connect(str(short.text))
    late = msgspec.structs.replace(_parse(short.text, short.created), expires=int(time.time()) + 600)
    with pytest.raises(BagoError):  # its checksum is right, its issuer knows better
        cyd.client.connect(str(late))
    assert not cyd.paired(ada)


def _parse(text: str | None, now: float) -> ConnectionKey:
    return ConnectionKey.parse(str(text), now=now)


def test_damaged_keys(ada: Node, cyd: Node) -> None:
    text = str(ada.client.make_key().text)
    damaged = [text[:length] for length in (0, 5, 20, len(text) // 2, len(text) - 1)]
    places = range(7, len(text), 17)
    damaged += [text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :] for place in places]
    for key in damaged:
        with pytest.raises(BagoError) as caught:
            cyd.client.connect(key)
        assert text[-30:] not in str(caught.value)
    assert not cyd.paired(ada)


def test_forged_keys(ada: Node, cyd: Node) -> None:
    """With a right checksum: another secret, another fingerprint."""
    key = _parse(ada.client.make_key().text, time.time())
    other = msgspec.structs.replace(key, secret=Secret(base64.urlsafe_b64encode(b"x" * 18).decode()))
    with pytest.raises(BagoError):
        cyd.client.connect(str(other))
    with pytest.raises(BagoError):
        cyd.client.connect(str(msgspec.structs.replace(key, fingerprint="fp_" + "ab" * 32)))
    assert not cyd.paired(ada) and not ada.paired(cyd)
    assert key_state(ada, key.id) == "open"


# -- certificates and tokens


def test_token_without_the_certificate(lan: Lan, ada: Node, bob: Node) -> None:
    status, _ = mesh(lan, 4, bob, "GET", "/mesh/v1/hello", token=token_of(ada, bob))
    assert status == 403


def test_certificate_without_the_token(lan: Lan, three: tuple[Node, Node, Node]) -> None:
    ada, bob, cyd = three
    mine = identity_of(ada)
    for token in (None, "", "x" * 43, token_of(cyd, bob), token_of(bob, ada)):
        for method, path in (
            ("GET", "/mesh/v1/hello"),
            ("GET", "/mesh/v1/events"),
            ("POST", "/mesh/v1/bye"),
            ("POST", "/mesh/v1/relay/v1/chat/completions"),
            ("POST", "/mesh/v1/control/models/load"),
        ):
            status, said = mesh(lan, 1, bob, method, path, identity=mine, token=token, body=b"{}")
            assert status == 403, (path, said)
    assert mesh(lan, 1, bob, "GET", "/mesh/v1/hello", identity=mine, token=token_of(ada, bob))[0] == 200


def test_unknown_certificate(lan: Lan, ada: Node, bob: Node, eve: Identity) -> None:
    with pytest.raises(OSError):  # noqa: PT011
        mesh(lan, 4, bob, "GET", "/mesh/v1/hello", identity=eve, token=token_of(ada, bob))


def test_management_is_not_on_the_mesh_side(lan: Lan, ada: Node, bob: Node) -> None:
    assert bob.file is not None
    for path in ("/api/v1/status", "/v1/models", "/v1/chat/completions", "/mesh/v1/control/shutdown"):
        status, _ = mesh(lan, 4, bob, "GET", path, token=bob.file.admin_token)
        assert status == 403, path
        status, _ = mesh(lan, 1, bob, "GET", path, identity=identity_of(ada), token=token_of(ada, bob))
        assert status in (403, 404), path
    bob.client.change_node("ada", allow_control=True)
    mine = {"identity": identity_of(ada), "token": token_of(ada, bob)}
    for path in ("shutdown", "keys", "connect", "nodes", "settings", "models", "log", "models/../shutdown"):
        status, _ = mesh(lan, 1, bob, "POST", f"/mesh/v1/control/{path}", body=b"{}", **mine)
        assert status in (404, 405), path
    bob.client.change_node("ada", allow_control=False)


def test_removed_node_tries_again(lan: Lan, bob: Node, start: Nodes) -> None:
    dan = start(4, "dan")
    dan.pair(bob)
    old = token_of(dan, bob)
    mine = identity_of(dan)
    with connection(lan, 4, lan.address(2), bob.port) as sock:
        from bago_jupyter.trust.tls import client_context

        tls = client_context(mine, bob.fingerprint).wrap_socket(sock)
        bob.client.remove_node("dan")
        with contextlib.suppress(OSError):  # it was open, and is cut
            assert tls.recv(1) == b""
        tls.close()
    body = json.dumps({"model": "smol", "messages": MESSAGES}).encode()
    for path in ("/mesh/v1/hello", "/mesh/v1/relay/v1/chat/completions"):
        with pytest.raises(OSError):  # noqa: PT011
            mesh(lan, 4, bob, "POST", path, identity=mine, token=old, body=body)
        assert mesh(lan, 4, bob, "POST", path, token=old, body=body)[0] == 403


# -- in the middle


class Impostor:
    """Ends TLS with a certificate of its own, on a host that took another's address."""

    def __init__(self, lan: Lan, host: int, port: int, identity: Identity):
        self.met = 0
        self.heard = b""
        self._context = server_context(identity, [])
        with lan.inside(host):
            import socket

            self._listener = socket.create_server(("0.0.0.0", port))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        import socket

        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.met += 1
                sock.settimeout(2)
                with sock, contextlib.suppress(OSError, ssl.SSLError):
                    tls = self._context.wrap_socket(sock, server_side=True)
                    with tls:
                        self.heard += tls.recv(4096)


def test_in_the_middle_of_pairing(lan: Lan, ada: Node, cyd: Node, eve: Identity) -> None:
    """The key leads to an impostor: it hears nothing, and the key stays good for the right node."""
    made = ada.client.make_key()
    key = _parse(made.text, time.time())
    impostor = Impostor(lan, 4, 7443, eve)
    try:
        astray = msgspec.structs.replace(key, addresses=[f"{lan.address(4)}:7443"])
        with pytest.raises(BagoError) as caught:
            cyd.client.connect(str(astray))
        assert impostor.met
        assert impostor.heard == b""
        assert key.secret.reveal() not in str(caught.value)
    finally:
        impostor.close()
    assert not cyd.paired(ada) and not ada.paired(cyd)
    assert key_state(ada, made.id) == "open"


def test_in_the_middle_afterwards(lan: Lan, ada: Node, bob: Node, eve: Identity) -> None:
    """Somebody takes bob's address: no token reaches it, and bob is found again afterwards."""
    taken = lan.address(2)
    lan.down(2)
    lan._ip(4, "addr", "add", f"{taken}/24", "dev", "e0")
    lan._ip(1, "neigh", "flush", "all")
    impostor = Impostor(lan, 4, bob.port, eve)
    try:
        until(lambda: impostor.met >= 3)
        assert impostor.heard == b""
        with pytest.raises(BagoError):
            ada.client.ping("bob")
    finally:
        impostor.close()
        lan._ip(4, "addr", "del", f"{taken}/24", "dev", "e0")
        lan.up(2)
        lan._ip(1, "neigh", "flush", "all")
    both_online(ada, bob)


def test_announcing_the_fingerprint_of_another(
    lan: Lan, ada: Node, bob: Node, cyd: Node, eve: Identity
) -> None:
    """Nobody who knows bob goes there, and who asks it for a connection finds out."""
    impostor = Impostor(lan, 4, 7444, eve)
    liar = lan.python(4, DISCOVERER, json.dumps({"fingerprint": eve.fingerprint}), "auto")
    turns = len(ada.turns(bob))
    try:
        liar.wait_for(lambda message: "ready" in message, 20)
        said = {"name": "bob", "port": 7444, "version": "0.1"}
        liar.send(do="advertise", fingerprint=bob.fingerprint, **said)
        fake = f"{lan.address(4)}:7444"
        until(lambda: impostor.met or (ada.sees(bob) and fake in ada.sees(bob).addresses))
        assert ada.client.ping("bob").address != fake
        assert ada.state(bob) == "online" and len(ada.turns(bob)) == turns
        liar.send(do="advertise", fingerprint=ada.fingerprint, **{**said, "name": "ada"})
        until(lambda: impostor.met or (cyd.sees(ada) and fake in cyd.sees(ada).addresses))
        with contextlib.suppress(BagoError):
            asked = cyd.client.request(ada.fingerprint[3:])
            assert asked.fingerprint == ada.fingerprint  # the right one answered at its own address
            cyd.client.decide(ada.fingerprint[3:], "cancel")
        assert impostor.heard == b""
    finally:
        liar.close()
        impostor.close()
    assert not cyd.paired(ada)


# -- hostile messages


@pytest.mark.parametrize("route", ["pair", "ask", "reveal", "poll", "confirm", "team/hello", "team/proof"])
def test_hostile_pairing_messages(lan: Lan, bob: Node, route: str) -> None:
    for body in (b"", b"{", b"[" * 20_000, b'{"v":1}', b"\xff" * 100, b'{"v":1e999}', b"null"):
        status, said = mesh(lan, 4, bob, "POST", f"/mesh/v1/{route}", body=body)
        assert 400 <= status < 500, (body[:20], status)
        assert len(said) < 1000


def test_oversized_pairing_messages(lan: Lan, bob: Node) -> None:
    for route in ("pair", "ask", "team/hello"):
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # it may hang up on such a client
            status, _ = mesh(lan, 4, bob, "POST", f"/mesh/v1/{route}", body=b"x" * 5_000_000)
            assert status == 413
