"""Who a node is: one key pair and self-signed certificate per home, made at first start."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .errors import StateError
from .state import Home

FILE = "identity"
LIFETIME = datetime.timedelta(days=365 * 50)
"""Trust hangs on the pinned key, not on dates, so the certificate outlives the machine."""


@dataclass(frozen=True)
class Identity:
    """Certificate and private key (PEM) with the fingerprint they prove."""

    pem: bytes
    fingerprint: str

    def __repr__(self) -> str:
        return f"Identity({self.short})"

    @property
    def short(self) -> str:
        """The first 8 digits, for people."""
        return self.fingerprint[3:11]

    @classmethod
    def open(cls, home: Home) -> Identity:
        """Read the identity of ``home``, or make one. Raises :class:`StateError` if it is damaged."""
        pem = home.read(FILE)
        if pem is None:
            pem = _generate()
            home.write(FILE, pem)
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            serialization.load_pem_private_key(pem, password=None)
        except ValueError:
            raise StateError(
                f"{home.root / FILE} is damaged; restore it, or delete it to become a new node."
            ) from None
        return cls(pem, fingerprint(certificate))


def fingerprint(certificate: x509.Certificate) -> str:
    """``fp_`` and the SHA-256 of the certificate's SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in hex."""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "fp_" + hashlib.sha256(spki).hexdigest()


def _generate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bago node")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
