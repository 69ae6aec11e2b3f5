"""Who a node is: one key pair and self-signed certificate per home, made at first start."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import NameOID

from .state import Home

FILE = "identity"
NOT_BEFORE = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
NOT_AFTER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
"""Trust hangs on the pinned key, not on dates: a machine whose clock is wrong must still be let in.
The last one is RFC 5280's value for "no expiry" (4.1.2.5)."""


@dataclass(frozen=True)
class Identity:
    """Certificate and private key (PEM) with the fingerprint they prove."""

    pem: bytes
    fingerprint: str
    path: Path
    """Where ``pem`` lies: OpenSSL takes a key from a file only."""

    def __repr__(self) -> str:
        return f"Identity({self.short})"

    @property
    def short(self) -> str:
        """The first 8 digits, for people."""
        return self.fingerprint[3:11]

    @classmethod
    def open(cls, home: Home) -> Identity:
        """Read the identity of ``home``, or make one where there is none, or a damaged one.

        Raises :class:`~bago_jupyter.errors.StateError` where the home cannot be used.
        """
        found = home.load(FILE, _read, lost="this node is a new one, so its peers have to be paired again")
        if found is None:
            pem = _generate()
            home.write(FILE, pem)
            found = pem, _read(pem)[1]
        return cls(*found, home.root / FILE)


def fingerprint(certificate: x509.Certificate) -> str:
    """``fp_`` and the SHA-256 of the certificate's SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in hex."""
    return key_fingerprint(certificate.public_key())


def key_fingerprint(key: PublicKeyTypes) -> str:
    """As :func:`fingerprint`, of the bare public key."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "fp_" + hashlib.sha256(spki).hexdigest()


def make_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """The self-signed certificate of a node with ``key``.

    Its subject is the fingerprint's hex, so that no two nodes have the same one: OpenSSL looks trust
    anchors up by subject. It is no CA, so that a paired node cannot vouch for further certificates.
    """
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key_fingerprint(public).removeprefix("fp_"))])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _read(pem: bytes) -> tuple[bytes, str]:
    """``pem`` and the fingerprint it proves. Raises :class:`ValueError` unless its two halves are a pair."""
    certificate = x509.load_pem_x509_certificate(pem)
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic-curve key")
    # The file names its public key too, which need not be the one of its number.
    numbers = key.private_numbers()
    if ec.derive_private_key(numbers.private_value, key.curve).public_key() != certificate.public_key():
        raise ValueError("key and certificate are no pair")
    return pem, fingerprint(certificate)


def _generate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = make_certificate(key)
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
