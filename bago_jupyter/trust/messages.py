"""The messages of the pairing protocols, as JSON; ``bytes`` travel as base64.

What is signed or hashed travels as opaque ``bytes`` (a :class:`Card` is encoded once, by its sender), so
that no two encoders have to agree. Every field has a bound, and :func:`read` refuses the rest.

=================== ==================================================================================
by key              :class:`KeyRequest` -> :class:`KeyAnswer`
request and approve :class:`Ask` -> :class:`AskAnswer`, :class:`AskReveal` -> :class:`AskState`, then
                    :class:`AskPoll` -> :class:`AskState` as often as wanted,
                    :class:`AskConfirm` -> :class:`AskDone`
team key            :class:`TeamHello` -> :class:`TeamChallenge`, :class:`TeamProof` -> :class:`TeamWelcome`
=================== ==================================================================================
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from . import address, names
from .refusal import BadMessage
from .transcript import VERSION

LARGEST = 32 * 1024
"""Bytes of a message; the server should not read more of one."""

Nonce = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=8, max_length=80)]
Certificate = Annotated[bytes, Meta(min_length=64, max_length=2048)]
Packed = Annotated[bytes, Meta(min_length=2, max_length=8192)]
Id = Annotated[str, Meta(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Token = Annotated[str, Meta(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_-]+$")]
Text = Annotated[str, Meta(max_length=256)]
Port = Annotated[int, Meta(ge=0, le=65535)]

AskStateName = Literal["waiting", "approved", "refused", "cancelled", "expired"]


class _Message(msgspec.Struct, kw_only=True):
    """Base: unknown fields are ignored, so that versions can differ in what does not matter."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Card(_Message):
    """How a node presents itself. Everything but the certificate is its own claim."""

    certificate: Certificate
    name: Text
    addresses: Annotated[list[Text], Meta(max_length=64)] = []
    port: Port = 0
    version: Text = ""
    """Version of the software."""

    def cleaned(self) -> Card:
        """The same with name and addresses fit to be stored and shown."""
        return msgspec.structs.replace(
            self,
            name=names.clean(self.name),
            addresses=address.only_good(list(self.addresses)),
            version=names.clean(self.version)[:32] if self.version else "",
        )


class KeyRequest(_Message):
    v: int
    key: Id
    nonce: Nonce
    card: Packed
    token: Token
    proof: Annotated[bytes, Meta(min_length=64, max_length=64)]
    signature: Signature


class KeyAnswer(_Message):
    v: int
    nonce: Nonce
    card: Packed
    token: Token
    signature: Signature


class Ask(_Message):
    v: int
    card: Packed
    commitment: Nonce


class AskAnswer(_Message):
    v: int
    id: Id
    card: Packed
    nonce: Nonce


class AskReveal(_Message):
    v: int
    id: Id
    nonce: Nonce
    signature: Signature


class AskPoll(_Message):
    v: int
    id: Id
    cancel: bool = False


class AskState(_Message):
    v: int
    state: AskStateName


class AskConfirm(_Message):
    v: int
    id: Id
    token: Token
    signature: Signature


class AskDone(_Message):
    v: int
    token: Token
    signature: Signature


class TeamHello(_Message):
    v: int
    certificate: Certificate
    nonce: Nonce
    spake: Annotated[bytes, Meta(min_length=33, max_length=33)]


class TeamChallenge(_Message):
    v: int
    id: Id
    nonce: Nonce
    spake: Annotated[bytes, Meta(min_length=33, max_length=33)]


class TeamProof(_Message):
    v: int
    id: Id
    sealed: Packed
    confirmation: Nonce


class TeamWelcome(_Message):
    v: int
    sealed: Packed
    confirmation: Nonce


M = TypeVar("M", bound=_Message)


def write(message: _Message) -> bytes:
    """``message`` as it is sent."""
    return msgspec.json.encode(message)


def read(data: bytes, kind: type[M]) -> M:
    """A message of ``kind``. Raises :class:`BadMessage` for anything else, also for another version."""
    if len(data) > LARGEST:
        raise BadMessage("The pairing message is too long.")
    try:
        message = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadMessage("The pairing message cannot be read.") from None
    if getattr(message, "v", VERSION) != VERSION:
        raise BadMessage(
            "The other node pairs by another version; bring both to the same version of bago-jupyter."
        )
    return message


def read_card(data: bytes) -> Card:
    """The card in ``data``, cleaned. Raises :class:`BadMessage`."""
    return read(data, Card).cleaned()
