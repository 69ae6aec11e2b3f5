"""What paired nodes say to each other, beside pairing (:mod:`bago_jupyter.trust.messages`).

======================== =================================================================================
``GET /mesh/v1/hello``   :class:`Hello`: presence
``GET /mesh/v1/events``  one :class:`News` a line, at once and at every change; an empty line is a heartbeat
``POST /mesh/v1/bye``    :class:`Bye`: the sender leaves, or has removed the receiver
``POST /mesh/v1/relay/*`` a client's request, see :mod:`bago_jupyter.backends.peer`
``POST /mesh/v1/control/*`` load, unload and pull, with the messages of the management API
======================== =================================================================================

A paired node is believed to be who it is, and nothing else: what it says comes in by :func:`read`, which
bounds and cleans it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from ..errors import UpstreamFailed
from ..text import LONGEST_WORD, clean, plain
from ..trust import names
from ..wire import Resources

PREFIX = "/mesh/v1"
LONGEST_VERSION = 64
LONGEST_REASON = 200
MOST_ENTRIES = 4096
"""Models that one node tells another of."""
Text = Annotated[str, Meta(max_length=512)]


class Hello(msgspec.Struct, kw_only=True):
    """Who answers."""

    fingerprint: Text
    name: Text
    version: Text
    boot: Text
    """Differs from one run of the node to the next."""
    port: Annotated[int, Meta(ge=0, le=65535)]
    addresses: Annotated[list[Text], Meta(max_length=64)] = []
    resources: Resources | None = None
    """Of its machine; only in the answer to a probe."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A model that the node shares."""

    model: Text
    tasks: Annotated[list[Literal["generate", "embed", "rerank"]], Meta(max_length=3)]
    state: Literal["ready", "loading", "available", "failed"]
    slots: int = 1
    context_length: int | None = None
    chat: bool = True
    digest: Text | None = None
    quantization: Text | None = None
    created: int | float | None = None
    """When its weights were made, or came to where they are, as a Unix time."""


class News(msgspec.Struct, kw_only=True):
    """The whole catalogue as it is now, and who says so."""

    hello: Hello
    catalogue: list[Entry]
    """The first :data:`MOST_ENTRIES` count."""


class Bye(msgspec.Struct, kw_only=True):
    """``leaving``: it will come back under the same trust; ``removed``: it forgot the receiver."""

    kind: Literal["leaving", "removed"]
    reason: Text = ""


M = TypeVar("M", Hello, News, Bye)


def read(data: bytes, kind: type[M]) -> M:
    """What a peer says, fit to be kept and shown. Raises :class:`UpstreamFailed` where it cannot be read."""
    try:
        said = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailed("it says something that cannot be read") from None
    if isinstance(said, Bye):
        said.reason = clean(said.reason, LONGEST_REASON)
    elif isinstance(said, News):
        said.hello = _hello(said.hello)
        # one that repeats a name is one offer
        named = {entry.model: entry for entry in said.catalogue[:MOST_ENTRIES]}
        said.catalogue = [_entry(entry) for model, entry in named.items() if model and model.isprintable()]
    else:
        said = _hello(said)
    return said


def _hello(said: Hello) -> Hello:
    said.name = names.clean(said.name)
    said.version = clean(said.version, LONGEST_VERSION)
    said.boot = plain(said.boot)
    for gpu in (said.resources.gpus or ()) if said.resources is not None else ():
        gpu.name = clean(gpu.name, LONGEST_WORD)
    return said


def _entry(said: Entry) -> Entry:
    words: dict[str, Any] = {}
    for field in ("digest", "quantization"):
        word = getattr(said, field)
        if word is not None and not (word and word.isprintable() and len(word) <= LONGEST_WORD):
            words[field] = clean(word, LONGEST_WORD) or None
    return msgspec.structs.replace(said, **words) if words else said
