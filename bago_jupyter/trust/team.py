"""Joining by team key: nodes that share it pair on sight; it is proven, never sent.

The key is chosen by people, so it may be guessable; whoever listens or plays a part must learn nothing
that guesses can be tested on. That is what SPAKE2 is for (package ``spake2``, Ed25519 group, the variant
with roles). I found R by its announcement; TLS is pinned to the announced fingerprint. w = scrypt(key)::

    I -> R   certificate_I, nonce_I, X = SPAKE2_A(w, ids)
    R -> I   id, nonce_R, Y = SPAKE2_B(w, ids)
                 ids: role and fingerprint of either side; K = the SPAKE2 key
                 T = transcript(both fingerprints, certificate_I, id, nonces, X, Y)
                 k_I, k_R, s_I, s_R = HKDF(K, salt = T, info = role and purpose)
    I -> R   sealed_I = AES-GCM by s_I (card_I, token_I, ECDSA signature by I's key over T and these)
             HMAC by k_I over T and sealed_I
    R -> I   sealed_R and its HMAC by s_R and k_R

- Each run lets whoever plays a part test exactly one guess, the one it put into its message; X, Y and all
  that follows are independent of w to who does not know K. Both sides count, per address with doubling
  waits and within a global budget (:func:`~.joining.team_throttle`): R every hello until its key is proven,
  I every run that fails, because an impostor can announce any number of nodes and invite I to each.
- I confirms first; R answers only who proved the key. A wrong key shows as a wrong HMAC, and is refused
  before anything is opened. Names, addresses and tokens are sealed: an impostor in either role does not
  see them.
- A relay between I and R has another certificate than R, so the two ends use other ids and another T:
  K differs. Reflection: roles are in the ids, the labels and the SPAKE2 messages; a node refuses its own
  fingerprint.
- R has not seen I's certificate in TLS; the id in K and the signature prove it. R's was proven by TLS.
- scrypt (N = 2^15, r = 8, 0.2 s, once a key) has a fixed salt: both ends must come to the same w before
  they know each other. It makes guessing dearer should ever K or w leak.
- ``spake2`` is plain Python and so not constant in time; w enters only into two products that are computed
  once a key, in advance, not while anybody measures.
- Leaving the team or changing its key removes every peer that only the team brought
  (:meth:`~.peers.Peers.leave_team`). A node that was removed by hand does not come back by the team key
  under its old identity; but it still knows the key, so who must be kept out for good is kept out by a
  new key on all other nodes.
"""

from __future__ import annotations

import hashlib
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from spake2 import SPAKE2_A, SPAKE2_B

from ..errors import SettingsError
from .refusal import Refused
from .secret import Secret
from .transcript import VERSION, Transcript, mac, same

SHORTEST = 8
_SALT = b"bago team key 1"
WRONG = "The team keys differ; set the same one on both nodes."


class TeamKey:
    """A stretched team key. Making one takes about 0.2 s of CPU. Thread-safe.

    Raises :class:`SettingsError` for a key that is too short.
    """

    def __init__(self, key: Secret):
        text = unicodedata.normalize("NFC", key.reveal().strip())
        if len(text) < SHORTEST:
            raise SettingsError(
                f"A team key has at least {SHORTEST} characters; longer is better.", param="cluster_key"
            )
        stretched = hashlib.scrypt(
            text.encode(), salt=_SALT, n=2**15, r=8, p=1, maxmem=64 * 1024 * 1024, dklen=32
        )
        self._stretched = stretched
        self._products: dict[str, _Fixed] = {}
        probe = SPAKE2_A(stretched)
        for name in ("M", "N"):
            self._products[name] = _Fixed(getattr(probe.params, name), probe.pw_scalar)

    def __repr__(self) -> str:
        return "TeamKey(***)"

    def __reduce__(self) -> str:
        raise TypeError("A team key is not pickled.")

    def mark(self, fingerprint: str) -> bytes:
        """Tells on this node, whose ``fingerprint`` it is, whether the key is the one it was."""
        return mac(self._stretched, "team, mark", fingerprint.encode())

    def exchange(self, initiating: bool, initiator: str, responder: str) -> Exchange:
        """One side of a run between two fingerprints. About 4 ms of CPU."""
        return Exchange(self._stretched, self._products, initiating, initiator, responder)


class Exchange:
    """SPAKE2 with its key confirmation: :attr:`message` out, :meth:`agree` in, then seal and open."""

    def __init__(
        self, stretched: bytes, products: dict[str, _Fixed], initiating: bool, initiator: str, responder: str
    ):
        kind = _Initiator if initiating else _Responder
        self._spake = kind(
            stretched,
            idA=f"bago team initiator {initiator}".encode(),
            idB=f"bago team responder {responder}".encode(),
        )
        self._spake.products = products
        self._initiating = initiating
        self._key = b""
        self._transcript = b""
        self.message: bytes = self._spake.start()

    def agree(self, other: bytes, transcript: bytes) -> None:
        """Take the other side's message; ``transcript`` is T. About 8 ms of CPU. Raises :class:`Refused`."""
        try:
            self._key = self._spake.finish(other)
        except Exception:  # the package raises four kinds, and AssertionError, for what strangers send
            raise Refused(WRONG) from None
        self._transcript = transcript

    def seal(self, text: bytes) -> tuple[bytes, bytes]:
        """Ciphertext of our ``text`` and the HMAC that confirms the key. Once a run."""
        role = self._role(self._initiating)
        sealed = AESGCM(self._derive(role, "seal")).encrypt(bytes(12), text, self._transcript)
        return sealed, self._confirmation(role, sealed)

    def open(self, sealed: bytes, confirmation: bytes) -> bytes:
        """The other side's text. Raises :class:`Refused` unless it confirmed the key."""
        role = self._role(not self._initiating)
        if not self._key or not same(confirmation, self._confirmation(role, sealed)):
            raise Refused(WRONG)
        try:
            return AESGCM(self._derive(role, "seal")).decrypt(bytes(12), sealed, self._transcript)
        except InvalidTag:
            raise Refused(WRONG) from None

    def _confirmation(self, role: str, sealed: bytes) -> bytes:
        return mac(self._derive(role, "confirm"), f"team, {role} confirms", self._transcript + sealed)

    def _derive(self, role: str, purpose: str) -> bytes:
        if not self._key:
            raise Refused(WRONG)
        info = f"bago team {VERSION}, {role}, {purpose}".encode()
        return HKDF(hashes.SHA256(), 32, salt=self._transcript, info=info).derive(self._key)

    @staticmethod
    def _role(initiating: bool) -> str:
        return "initiator" if initiating else "responder"


def team_transcript(
    *,
    initiator: str,
    responder: str,
    certificate: bytes,
    run: str,
    nonces: tuple[bytes, bytes],
    spake: tuple[bytes, bytes],
) -> bytes:
    """T. The pairs hold the initiator's value first."""
    transcript = Transcript("team").add("initiator", initiator).add("responder", responder)
    transcript.add("certificate", certificate).add("id", run)
    transcript.add("initiator nonce", nonces[0]).add("responder nonce", nonces[1])
    return transcript.add("X", spake[0]).add("Y", spake[1]).digest()


class _Fixed:
    """A group element whose products with w and with -w are known: no secret-dependent time later."""

    def __init__(self, element: object, scalar: int):
        self._of = {s: element.scalarmult(s) for s in (scalar, -scalar)}  # type: ignore[attr-defined]

    def scalarmult(self, scalar: int) -> object:
        return self._of[scalar]


class _Initiator(SPAKE2_A):  # type: ignore[misc]
    products: dict[str, _Fixed]

    def my_blinding(self) -> _Fixed:
        return self.products["M"]

    def my_unblinding(self) -> _Fixed:
        return self.products["N"]


class _Responder(SPAKE2_B):  # type: ignore[misc]
    products: dict[str, _Fixed]

    def my_blinding(self) -> _Fixed:
        return self.products["N"]

    def my_unblinding(self) -> _Fixed:
        return self.products["M"]
