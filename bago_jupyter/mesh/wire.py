"""What paired nodes say to each other, beside pairing (:mod:`bago_jupyter.trust.messages`).

======================== =================================================================================
``GET /mesh/v1/hello``   :class:`Hello`: presence
``GET /mesh/v1/events``  one :class:`News` a line, at once and at every change; an empty line is a heartbeat
``POST /mesh/v1/bye``    :class:`Bye`: the sender leaves, or has removed the receiver
``POST /mesh/v1/relay/*`` a client's request, see :mod:`bago_jupyter.backends.peer`
``POST /mesh/v1/control/*`` load, unload and pull, with the messages of the management API
======================== =================================================================================
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..wire import Resources

PREFIX = "/mesh/v1"
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
    catalogue: Annotated[list[Entry], Meta(max_length=4096)]


class Bye(msgspec.Struct, kw_only=True):
    """``leaving``: it will come back under the same trust; ``removed``: it forgot the receiver."""

    kind: Literal["leaving", "removed"]
    reason: Text = ""
