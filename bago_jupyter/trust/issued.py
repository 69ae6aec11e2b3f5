"""Connection keys that this node gave out, until they are used, revoked or expired.

``keys.json`` (0600) lets a restart of the node keep a key that is still on somebody's screen. It holds the
public half of the key pair that the secret determines (see :mod:`.connection_key`): a thief of the file
cannot pair with it. A key becomes used on disk before the pairing is answered, so a crash cannot
make it good twice.
"""

from __future__ import annotations

import time
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ..errors import NotFound, Overloaded, SettingsError
from ..state import Home
from .connection_key import ConnectionKey
from .refusal import Refused

FILE = "keys.json"
TTL = 600.0
LONGEST = 7 * 86400.0
LIMIT = 64
"""Usable keys at one time."""
KEPT = 3600.0
"""Seconds after its expiry for which a key is still listed and refused by its right reason."""

KeyState = Literal["open", "used", "revoked", "expired"]
_STRANGER = "This connection key is not valid here; ask the node's owner for a new one."


class IssuedKey(msgspec.Struct, kw_only=True):
    """What is known of a key after it was shown: everything but its secret."""

    id: str
    verifier: bytes
    created: float
    expires: float
    name: str
    """The name that the key carries."""
    addresses: list[str] = []
    interface: str | None = None
    used_by: str | None = None
    """Fingerprint of the node that paired with it."""
    revoked: bool = False

    def state(self, now: float) -> KeyState:
        """Whether it can still be used."""
        if self.used_by is not None:
            return "used"
        if self.revoked:
            return "revoked"
        return "expired" if now >= self.expires else "open"


class IssuedKeys:
    """The keys of one home. Belongs to the node's loop."""

    def __init__(self, home: Home, fingerprint: str):
        self._home = home
        self._fingerprint = fingerprint
        keys = home.load(FILE, _decoder.decode, lost="connection keys that were open have ended") or []
        self._keys = {key.id: key for key in keys}

    def issue(
        self,
        name: str,
        addresses: list[str],
        *,
        ttl: float = TTL,
        interface: str | None = None,
        now: float | None = None,
    ) -> ConnectionKey:
        """A new key, good once within ``ttl`` seconds; the only moment at which its secret is known here.

        ``interface`` is kept for the list only; ``addresses`` go into the key. Raises
        :class:`SettingsError` for a bad ``ttl``, :class:`Overloaded` when too many keys are open.
        """
        now = time.time() if now is None else now
        if not 1 <= ttl <= LONGEST:
            raise SettingsError(
                f"A connection key lives from 1 s to {LONGEST:.0f} s; {ttl:g} is not between.", param="ttl"
            )
        if sum(key.state(now) == "open" for key in self._keys.values()) >= LIMIT:
            raise Overloaded(f"{LIMIT} connection keys are open; revoke some first.")
        key = ConnectionKey.make(name, self._fingerprint, addresses, now + ttl)
        issued = IssuedKey(
            id=key.id,
            verifier=key.public_key(),
            created=now,
            expires=key.expires,
            name=key.name,
            addresses=key.addresses,
            interface=interface,
        )
        self._keep(issued, now)
        return key

    def listed(self, now: float | None = None) -> list[IssuedKey]:
        """Every key that is open or ended lately, the newest first."""
        now = time.time() if now is None else now
        kept = [key for key in self._keys.values() if now < key.expires + KEPT]
        return sorted(kept, key=lambda key: -key.created)

    def revoke(self, key_id: str, now: float | None = None) -> IssuedKey:
        """Make a key useless. Raises :class:`NotFound`; revoking a used key does not undo the pairing."""
        key = self._keys.get(key_id)
        if key is None:
            raise NotFound("There is no connection key with that id; list the keys to see them.")
        revoked = msgspec.structs.replace(key, revoked=True)
        self._keep(revoked, time.time() if now is None else now)
        return revoked

    def redeem(
        self,
        key_id: str,
        digest: bytes,
        proof: bytes,
        by: str,
        *,
        again: bool = False,
        now: float | None = None,
    ) -> None:
        """Use up a key for node ``by``: ``proof`` is :meth:`ConnectionKey.prove` of ``digest``.

        ``again`` lets the node that used the key repeat itself until it expires, as it must when the
        answer got lost; the caller says so only while that node is a peer.
        Raises :class:`Refused`. Reasons are given only to who has the secret.
        """
        now = time.time() if now is None else now
        key = self._keys.get(key_id)
        if key is None:
            raise Refused(_STRANGER)
        try:
            Ed25519PublicKey.from_public_bytes(key.verifier).verify(proof, digest)
        except (InvalidSignature, ValueError):
            raise Refused(_STRANGER) from None
        if key.revoked:
            raise Refused("This connection key was revoked; ask for a new one.")
        if now >= key.expires:
            raise Refused("This connection key has expired; ask for a new one.")
        if key.used_by is not None and not (again and key.used_by == by):
            raise Refused("This connection key was used already, and each works once; ask for a new one.")
        if key.used_by is None:
            self._keep(msgspec.structs.replace(key, used_by=by), now)

    def _keep(self, key: IssuedKey, now: float) -> None:
        """Nothing changes where it cannot be written: what was revoked would be open at the next start."""
        keys = {**{kept.id: kept for kept in self.listed(now)}, key.id: key}
        self._home.write(FILE, msgspec.json.encode(list(keys.values())))
        self._keys = keys


_decoder = msgspec.json.Decoder(list[IssuedKey])
