"""Pairing on request: the owners of both nodes compare a six-digit code and agree.

Neither side knows the other's fingerprint for certain (an announcement can be forged), so the code must
show whether both ends see the same two certificates. It is the numeric comparison of Bluetooth (Core
specification, vol. 3 part H, 2.3.5.6.2) with the roles of our protocol. I asks, R is asked; TLS is pinned
to the fingerprint that I believes in::

    I -> R   card_I, commitment = H(label, R's fingerprint, card_I, nonce_I)
    R -> I   id, card_R, nonce_R
    I -> R   id, nonce_I, signature by I's key over T      T = all of the above, both fingerprints
    both show code = T mod 10^6; both owners agree, each on their own node
    I -> R   id, token_I, signature by I's key over (T, token_I)        once I's owner has confirmed
    R -> I   token_R, signature by R's key over (that, token_R)         once R's owner has approved

- A man in the middle is two different certificates, hence two different T. Towards I it must choose its
  nonce before nonce_I is revealed; towards R it must commit to its nonce before it sees nonce_R. So
  neither code can be steered, and they agree with probability 10^-6 per attempt.
- Attempts cannot be ground out in silence: each :class:`~.messages.Ask` counts against a limit here, whether
  it is completed or dropped (per address, and from all together a burst of :data:`STARTS` that refills within
  :data:`LIFETIME`). One request of I lives for :data:`LIFETIME`, so 2 * STARTS attempts can be aimed at it:
  a chance of 4 * 10^-5, with the owner of R looking at a request that nobody made.
- Both must agree: R's approval alone would let a man in the middle "approve" towards I by itself. Hence
  :meth:`~.asking.Asking.confirm` before the last message, which alone carries I's token.
- R shows nothing before the reveal proved the commitment and I's key; then name and code are shown.

Messages and states only; the caller moves them.
"""

from __future__ import annotations

from .messages import Ask, AskAnswer, Card
from .peers import Peer, Peers
from .refusal import Refused
from .secret import Secret
from .transcript import Transcript

LIFETIME = 300.0
"""Seconds after which a request ends by itself."""
PENDING = 16
STARTS = 20
"""Requests of all addresses that may start within :data:`LIFETIME`."""
STARTS_EACH = 4
"""Requests of one address before it has to wait."""


def match_code(digest: bytes) -> str:
    """The six digits that people compare."""
    if not digest:
        raise Refused("There is no code before the other node has answered.")
    number = int.from_bytes(Transcript("match code").add("transcript", digest).digest(), "big") % 1_000_000
    return f"{number // 1000:03d} {number % 1000:03d}"


def admit(peers: Peers, card: Card, token: Secret, expects: Secret, now: float | None) -> Peer:
    """Store the other node as a peer by approval."""
    return peers.admit(
        der=card.certificate,
        name=card.name,
        addresses=list(card.addresses),
        port=card.port,
        via="approval",
        token=token,
        expects=expects,
        now=now,
    )


def commitment(asked: str, card: bytes, nonce: bytes) -> bytes:
    """What the asking side is bound to before it knows the other's nonce."""
    transcript = Transcript("ask, commitment").add("asked", asked).add("card", card)
    return transcript.add("nonce", nonce).digest()


def transcript_digest(asking: str, asked: str, ask: Ask, nonce: bytes, answer: AskAnswer) -> bytes:
    """T: what both sides must have seen alike."""
    transcript = Transcript("ask").add("asking", asking).add("asked", asked)
    transcript.add("card", ask.card).add("commitment", ask.commitment).add("nonce", nonce)
    transcript.add("id", answer.id).add("asked card", answer.card).add("asked nonce", answer.nonce)
    return transcript.digest()


def reveal_digest(digest: bytes) -> bytes:
    """What the asking side signs with its reveal."""
    return Transcript("ask, reveal").add("transcript", digest).digest()


def confirm_digest(digest: bytes, token: str) -> bytes:
    """What it signs with its token."""
    return Transcript("ask, confirm").add("transcript", digest).add("token", token).digest()


def done_digest(confirmed: bytes, token: str) -> bytes:
    """What the asked side signs with its token."""
    return Transcript("ask, done").add("confirmed", confirmed).add("token", token).digest()
