"""TLS between nodes, over real sockets on both loops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bago_jupyter.identity import Identity, make_certificate
from bago_jupyter.trust import certificate
from bago_jupyter.trust.messages import AskPoll, AskState
from bago_jupyter.trust.secret import Secret
from bago_jupyter.trust.tls import WrongPeer, check_peer, client_context, peer_fingerprint, server_context

PING = AskPoll(v=1, id="x" * 8)
PONG = {AskPoll: lambda message: AskState(v=1, state="waiting")}


def befriend(a, b):
    for one, other in ((a, b), (b, a)):
        one.peers.admit(
            der=other.der,
            name=other.name,
            addresses=[],
            port=1,
            via="key",
            token=Secret.mint(),
            expects=Secret.mint(),
        )


def test_paired_nodes_know_each_other(party, run, wire):
    a, b = party("a"), party("b")
    befriend(a, b)

    async def go():
        async with b.serve(PONG) as port:
            await wire(port, a.tls.client(a.peers.get(b.fingerprint)), PING, AskState)

    run(go())
    assert b.seen == [a.fingerprint]


def test_a_stranger_is_let_in_without_a_certificate(party, run, wire):
    a, b = party("a"), party("b")

    async def go():
        async with b.serve(PONG) as port:
            await wire(port, a.tls.stranger(b.fingerprint), PING, AskState)

    run(go())
    assert b.seen == [None]


def test_an_unpaired_certificate_is_refused_among_many_paired(party, run, wire):
    b, outsider = party("b"), party("outsider")
    others = [party(f"n{i}") for i in range(20)]
    for other in others:
        befriend(b, other)

    async def go():
        async with b.serve(PONG) as port:
            for other in others:
                await wire(port, other.tls.client(other.peers.get(b.fingerprint)), PING, AskState)
            with pytest.raises(OSError):  # noqa: PT011  which one depends on the loop
                await wire(port, client_context(outsider.identity, b.fingerprint), PING, AskState)

    run(go())
    assert b.seen == [other.fingerprint for other in others]


@pytest.mark.parametrize("known", [False, True], ids=["first contact", "paired"])
def test_a_man_in_the_middle_gets_not_one_byte(party, run, known):
    a, b, mallory = party("a"), party("b"), party("mallory")
    befriend(a, b)
    befriend(mallory, a)  # even if Mallory trusts a's certificate
    got, heard = [], []

    async def go():
        async def listen(reader, writer):
            heard.append(asyncio.current_task())
            with contextlib.suppress(OSError):
                got.append(await reader.read(100))
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=mallory.tls.server())
        port = server.sockets[0].getsockname()[1]
        context = a.tls.client(a.peers.get(b.fingerprint)) if known else a.tls.stranger(b.fingerprint)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=context)
        server.close()
        await asyncio.sleep(0.1)  # for what must not come
        await asyncio.gather(*heard)

    run(go())
    assert b"".join(got) == b""


def test_the_pin_holds_on_blocking_sockets_too(party):
    b, mallory = party("b"), party("mallory")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        for _ in range(2):
            plain, _ = listener.accept()
            with plain, mallory.tls.server().wrap_socket(plain, server_side=True):
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with socket.create_connection(listener.getsockname()) as plain, pytest.raises(WrongPeer):
        client_context(None, b.fingerprint).wrap_socket(plain)
    with (
        socket.create_connection(listener.getsockname()) as plain,
        client_context(None, mallory.fingerprint).wrap_socket(plain) as tls,
    ):
        assert peer_fingerprint(tls) == mallory.fingerprint
        check_peer(tls, mallory.fingerprint)
        with pytest.raises(WrongPeer):
            check_peer(tls, b.fingerprint)
    thread.join()
    listener.close()


def test_a_removed_node_is_out_with_the_next_connection_and_others_stay(party, run, wire):
    a, b, c = party("a"), party("b"), party("c")
    befriend(a, b)
    befriend(c, b)
    before = b.tls.server()
    assert b.tls.server() is before
    b.peers.remove(a.fingerprint)
    assert b.tls.server() is not before

    async def go():
        async with b.serve(PONG) as port:
            with pytest.raises(OSError):  # noqa: PT011
                await wire(port, a.tls.client(a.peers.get(b.fingerprint)), PING, AskState)
            await wire(port, c.tls.client(c.peers.get(b.fingerprint)), PING, AskState)

    run(go())
    assert b.seen == [c.fingerprint]


def test_a_peer_cannot_vouch_for_another_key(party, run, wire, tmp_path):
    """A paired node signs a certificate for a second key and shows the chain."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    a, b = party("a"), party("b")
    befriend(a, b)
    own_key = serialization.load_pem_private_key(a.identity.pem, None)
    own = x509.load_pem_x509_certificate(a.identity.pem)
    second = ec.generate_private_key(ec.SECP256R1())
    template = make_certificate(second)
    issued = (
        x509.CertificateBuilder()
        .subject_name(template.subject)
        .issuer_name(own.subject)
        .public_key(second.public_key())
        .serial_number(7)
        .not_valid_before(template.not_valid_before_utc)
        .not_valid_after(template.not_valid_after_utc)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(own_key.public_key()), critical=False
        )
        .sign(own_key, hashes.SHA256())
    )
    path = tmp_path / "chain"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        issued.public_bytes(pem)
        + own.public_bytes(pem)
        + second.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    forged = Identity(path.read_bytes(), "fp_" + "0" * 64, path)

    async def go():
        async with b.serve(PONG) as port:
            with pytest.raises(OSError):  # noqa: PT011
                await wire(port, client_context(forged, b.fingerprint), PING, AskState)

    run(go())
    assert b.seen == []


def test_nothing_below_tls_13(party):
    b = party("b")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    async def go():
        async with b.serve(PONG) as port:
            with pytest.raises(OSError):  # noqa: PT011
                await asyncio.open_connection("127.0.0.1", port, ssl=old)

    asyncio.run(go())


def test_contexts_of_a_re_paired_node_follow_its_certificate(party):
    a, b = party("a"), party("b")
    befriend(a, b)
    peer = a.peers.get(b.fingerprint)
    assert a.tls.client(peer) is a.tls.client(peer)
    key = serialization.load_pem_private_key(b.identity.pem, None)
    der = make_certificate(key).public_bytes(serialization.Encoding.DER)
    server, client = a.tls.server(), a.tls.client(peer)
    again = a.peers.admit(
        der=der, name="b", addresses=[], port=1, via="key", token=Secret.mint(), expects=Secret.mint()
    )
    assert again.fingerprint == peer.fingerprint
    assert a.tls.server() is not server
    assert a.tls.client(again) is not client


def test_no_session_tickets(party):
    assert server_context(party("a").identity, []).num_tickets == 0


def test_the_check_of_nobody(party):
    class Shows:
        def __init__(self, der):
            self.der = der

        def getpeercert(self, binary_form):
            return self.der

    assert peer_fingerprint(None) is None
    for der in (None, b"", b"0", party("b").der):
        with pytest.raises(WrongPeer):
            check_peer(Shows(der), party("a").fingerprint)
    assert certificate.fingerprint_of(party("a").der) == party("a").fingerprint
