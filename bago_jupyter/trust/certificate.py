"""The certificates of nodes: which ones are accepted, and signatures by their keys.

A node's certificate carries nothing but its public key; the fingerprint of that key is the node's
id. :func:`check` admits exactly the shape that :mod:`bago_jupyter.identity` makes:

- an elliptic-curve key on P-256, and a signature of the certificate by that very key, so that whoever
  made the certificate had the private key;
- the subject is the fingerprint in hex, which makes subjects unique: a certificate cannot shadow that
  of another node among OpenSSL's trust anchors, which are looked up by subject;
- it is no CA, so that a paired node cannot vouch for others.

Signatures are ECDSA P-256 with SHA-256, always over a :class:`~.transcript.Transcript` digest, whose label
separates every use from every other and from TLS.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ..errors import Forbidden
from ..identity import Identity, fingerprint

LARGEST = 2048
"""Bytes of a certificate (DER); ours have about 480."""


_UNREADABLE = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
    Warning,  # of cryptography about odd certificates, where warnings are errors
)


class BadCertificate(Forbidden):
    """A node presented a certificate that no node of this kind has."""

    code = "bad_certificate"


def own_certificate(identity: Identity) -> bytes:
    """The certificate of ``identity``, DER."""
    return x509.load_pem_x509_certificate(identity.pem).public_bytes(serialization.Encoding.DER)


def check(der: bytes) -> str:
    """The fingerprint that certificate ``der`` proves. Raises :class:`BadCertificate`."""
    if len(der) <= LARGEST:
        try:
            return _checked(der)
        except _UNREADABLE:
            pass
    raise BadCertificate("The other side's certificate is not one of a node; nothing was accepted.")


def pem(der: bytes) -> str:
    """``der`` as PEM text."""
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode("ascii")


def der_of(text: str) -> bytes:
    """The reverse of :func:`pem`. Raises :class:`ValueError`."""
    return x509.load_pem_x509_certificate(text.encode()).public_bytes(serialization.Encoding.DER)


@lru_cache(maxsize=1024)
def fingerprint_of(der: bytes) -> str | None:
    """The fingerprint of any certificate without the checks of :func:`check`; ``None`` if it has none."""
    try:
        return fingerprint(x509.load_der_x509_certificate(der))
    except _UNREADABLE:
        return None


def sign(identity: Identity, digest: bytes) -> bytes:
    """Signature of ``identity`` over a transcript's ``digest``."""
    key = serialization.load_pem_private_key(identity.pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("a node's key is an elliptic-curve key")
    return key.sign(digest, ec.ECDSA(hashes.SHA256()))


def signed_by(der: bytes, signature: bytes, digest: bytes) -> bool:
    """Whether ``signature`` over ``digest`` was made with the key of the checked certificate ``der``."""
    key = x509.load_der_x509_certificate(der).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, digest, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=1024)
def _checked(der: bytes) -> str:
    certificate = x509.load_der_x509_certificate(der)
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    proven = fingerprint(certificate)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, proven.removeprefix("fp_"))])
    if certificate.subject != subject or certificate.issuer != subject:
        raise ValueError("the subject is not the fingerprint")
    if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise ValueError("a CA")
    certificate.verify_directly_issued_by(certificate)
    return proven
