"""Which certificates are those of nodes."""

from __future__ import annotations

import contextlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from bago_jupyter.identity import NOT_AFTER, NOT_BEFORE, key_fingerprint, make_certificate
from bago_jupyter.trust.certificate import (
    BadCertificate,
    check,
    der_of,
    own_certificate,
    pem,
    sign,
    signed_by,
)


def build(key, *, subject=None, issuer=None, signer=None, ca=False):
    own = key_fingerprint(key.public_key()).removeprefix("fp_")

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    hashed = None if isinstance(signer or key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject or own))
        .issuer_name(name(issuer or subject or own))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signer or key, hashed)
        .public_bytes(serialization.Encoding.DER)
    )


def test_a_nodes_certificate(party):
    node = party("a")
    assert check(node.der) == node.fingerprint
    assert der_of(pem(node.der)) == node.der
    key = ec.generate_private_key(ec.SECP256R1())
    der = make_certificate(key).public_bytes(serialization.Encoding.DER)
    assert check(der) == key_fingerprint(key.public_key())
    assert check(build(key)) == key_fingerprint(key.public_key())


def test_others_are_refused(party):
    p256, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    victim = party("v").fingerprint.removeprefix("fp_")
    bad = {
        "another subject": build(p256, subject="box"),
        "the subject of another node": build(p256, subject=victim),
        "another issuer": build(p256, issuer=victim),
        "signed by another key": build(p256, signer=other),
        "a CA": build(p256, ca=True),
        "another curve": build(ec.generate_private_key(ec.SECP384R1())),
        "another algorithm": build(ed25519.Ed25519PrivateKey.generate()),
        "trailing bytes": build(p256) + b"\0",
        "truncated": build(p256)[:-1],
        "empty": b"",
        "huge": build(p256) + bytes(4096),
    }
    for der in bad.values():
        with pytest.raises(BadCertificate):
            check(der)


def test_no_flipped_bit_proves_another_key(party):
    node = party("a")
    for place in range(len(node.der)):
        for bit in (1, 2, 128):
            flipped = node.der[:place] + bytes([node.der[place] ^ bit]) + node.der[place + 1 :]
            with contextlib.suppress(BadCertificate):
                # the count of unused bits before the signature is under nobody's signature
                assert check(flipped) == node.fingerprint and place > len(node.der) - 76


def test_signatures(party):
    a, b = party("a"), party("b")
    signature = sign(a.identity, b"digest")
    assert signed_by(a.der, signature, b"digest")
    assert not signed_by(b.der, signature, b"digest")
    assert not signed_by(a.der, signature, b"other")
    assert not signed_by(a.der, b"", b"digest")
    assert own_certificate(a.identity) == a.der
