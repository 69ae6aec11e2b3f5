"""Connection keys: the text, or QR code, that lets one node pair with the node that issued it.

``bago://HOST:PORT/pair?v=1&n=NAME&f=FINGERPRINT&a=ADDRESS,...&i=ID&s=SECRET&e=EXPIRY&c=CHECK``

========= =========================================================================================
HOST:PORT the issuer's best address; ``a`` holds the further ones. IPv6 in brackets, with its zone
n         the issuer's name, for people
f         SHA-256 of the issuer's SubjectPublicKeyInfo: the TLS server is pinned to it
i         public id of the key: what is listed and revoked
s         144 random bits; possession is proven by a signature (see :func:`ConnectionKey.prove`)
e         Unix time after which the issuer refuses it
c         first 48 bits of SHA-256 over all that precedes ``&c=``
========= =========================================================================================

``i``, ``s``, ``c`` and ``f`` are base64url without padding, text is percent-encoded. The checksum is no
protection against a forger, who can compute it; it tells a damaged key (truncated, a letter wrong)
before anything is sent. Every later version keeps ``v`` and a final ``c`` of this kind, so that a newer
key is told from a damaged one. This format is our own: the original product's is not published.

The secret never leaves the key. From it both ends derive an Ed25519 key pair; the issuer keeps
the public half only, so what lies in the issuer's memory and on its disk cannot be used to pair.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Iterator
from urllib.parse import quote, unquote

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..hidden import MASK
from . import address, names
from .refusal import BadKey
from .secret import Secret

VERSION = "1"
SECRET_BYTES = 18
ID_BYTES = 9
CHECK_BYTES = 6
LONGEST = 4096
"""Characters of a key; ours have about 200 to 600."""

_FORM = re.compile(r"bago://([^/?#]+)/pair\?(.*)", re.S)
_INVISIBLE = re.compile(r"[\s\u200b-\u200d\u2060\ufeff\u00ad]+")
_QUOTES = "\"'`<>“”‘’"
_DAMAGED = "This connection key is damaged or incomplete; copy it again, from 'bago://' to its last letter."
_FIELDS = ("n", "f", "a", "i", "s", "e")


class ConnectionKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key. ``str(key)`` is the text to hand over and holds the secret; ``repr`` does not."""

    name: str
    fingerprint: str
    addresses: list[str]
    """``host:port`` texts, best first; never empty."""
    id: str
    secret: Secret
    expires: int
    """Unix seconds."""

    @classmethod
    def make(cls, name: str, fingerprint: str, addresses: list[str], expires: float) -> ConnectionKey:
        """A new key with a fresh id and secret. Raises :class:`BadKey` if no address is usable."""
        good = address.only_good(addresses)
        if not good:
            raise BadKey(
                "This node has no address that another machine could reach; connect it to a network."
            )
        return cls(
            name=names.clean(name),
            fingerprint=fingerprint,
            addresses=good,
            id=secrets.token_urlsafe(ID_BYTES),
            secret=Secret.mint(SECRET_BYTES),
            expires=int(expires),
        )

    @classmethod
    def parse(cls, text: str, now: float | None = None) -> ConnectionKey:
        """Read a key that was pasted: line breaks, blanks and quotes around it do not matter.

        Raises :class:`BadKey` with one sentence if it is no key, damaged, of another version, or
        expired at ``now`` (Unix seconds; default the clock).
        """
        if len(text) > 2 * LONGEST:
            raise BadKey("This is too long for a connection key; paste the key alone.")
        body = _INVISIBLE.sub("", text).strip(_QUOTES).replace("&amp;", "&")
        match = _FORM.fullmatch(body)
        if match is None:
            raise BadKey(
                _DAMAGED
                if body.startswith("bago:")
                else "This is not a connection key; it starts with 'bago://'."
            )
        covered, _, check = body.rpartition("&c=")
        if not covered or check != _check(covered):
            raise BadKey(_DAMAGED)
        fields = dict(_pairs(match[2]))
        if fields.get("v") != VERSION:
            raise BadKey("This connection key is of another version; update bago-jupyter on both nodes.")
        try:
            key = cls._of(match[1], fields)
        except (ValueError, KeyError):
            raise BadKey(_DAMAGED) from None
        age = (time.time() if now is None else now) - key.expires
        if age >= 0:
            raise BadKey(
                f"This connection key expired {_span(age)} ago; ask {key.name} for a new one"
                " (or set this machine's clock)."
            )
        return key

    def __str__(self) -> str:
        return self._text(self.secret.reveal())

    def __repr__(self) -> str:
        return f"ConnectionKey({self._text(MASK)!r})"

    def private_key(self) -> Ed25519PrivateKey:
        """The signing key that the secret, the id and the issuer's fingerprint determine."""
        derive = HKDF(
            hashes.SHA256(),
            32,
            salt=self.fingerprint.encode(),
            info=b"bago connection key 1 " + self.id.encode(),
        )
        return Ed25519PrivateKey.from_private_bytes(derive.derive(_unpack(self.secret.reveal())))

    def public_key(self) -> bytes:
        """What the issuer keeps: 32 bytes that verify proofs and reveal nothing."""
        return self.private_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def prove(self, digest: bytes) -> bytes:
        """Proof of possession of the secret, good for the transcript ``digest`` alone."""
        return self.private_key().sign(digest)

    def _text(self, secret: str) -> str:
        values = {
            "v": VERSION,
            "n": quote(self.name, safe=""),
            "f": _pack(bytes.fromhex(self.fingerprint.removeprefix("fp_"))),
            "a": ",".join(quote(a, safe="[]:") for a in self.addresses[1:]),
            "i": self.id,
            "s": secret,
            "e": str(self.expires),
        }
        query = "&".join(f"{name}={value}" for name, value in values.items())
        covered = f"bago://{quote(self.addresses[0], safe='[]:')}/pair?{query}"
        return f"{covered}&c={_check(covered) if secret != MASK else MASK}"

    @classmethod
    def _of(cls, first: str, fields: dict[str, str]) -> ConnectionKey:
        """The key of well-checked text; raises :class:`ValueError` or :class:`KeyError` otherwise."""
        name, digest, more, key_id, secret, expires = (fields[field] for field in _FIELDS)
        addresses = [unquote(a) for a in (first, *filter(None, more.split(",")))]
        if address.only_good(addresses) != addresses:
            raise ValueError("a bad address")
        if (
            len(_unpack(key_id)) != ID_BYTES
            or len(_unpack(secret)) != SECRET_BYTES
            or len(_unpack(digest)) != 32
        ):
            raise ValueError("a field of the wrong size")
        if not re.fullmatch(r"[0-9]{1,12}", expires):
            raise ValueError("no time")
        return cls(
            name=names.clean(unquote(name)),
            fingerprint="fp_" + _unpack(digest).hex(),
            addresses=addresses,
            id=key_id,
            secret=Secret(secret),
            expires=int(expires),
        )


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    for part in query.split("&"):
        name, _, value = part.partition("=")
        yield name, value


def _pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _unpack(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _pack(data) != text:
        raise ValueError("not canonical")
    return data


def _check(covered: str) -> str:
    return _pack(hashlib.sha256(covered.encode("utf-8", "surrogatepass")).digest()[:CHECK_BYTES])


def _span(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a moment"
