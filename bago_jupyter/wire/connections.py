"""Connections to servers beyond the mesh."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from .base import Message
from .nodes import Turn

ConnectionType = Literal[
    "openai", "anthropic", "gemini", "continuum_router", "backend_ai_go", "backend_ai_cluster"
]


class Hop(Message):
    """One part of the way to a server's models, as it was tried."""

    name: str
    """``name resolves``, ``TCP connects``, ``TLS handshake``, ``HTTP answers``, ``key accepted`` (of a
    cluster: ``manager accepts``), ``models listed``."""
    ok: bool
    seconds: float = 0.0
    said: str = ""
    """What there is to know of it; where it failed, a sentence that says what to do."""
    lacks: Literal["secret", "models"] | None = None
    """What the connection is to be given, where that would help."""


class ConnectionModel(Message):
    """A model that a connection lists."""

    id: str
    selected: bool
    context_length: int | None = None


class ConnectionInfo(Message):
    """A connection and how it is. Of its key only where that comes from."""

    name: str
    type: ConnectionType
    url: str
    enabled: bool = True
    in_routing: bool = True
    health: Literal["healthy", "warming", "unhealthy", "disabled", "unknown"] = "unknown"
    reason: str | None = None
    error: str | None = None
    """What the latest probe said, if it failed."""
    latency: float | None = None
    models: list[str] = []
    """The selected models that can be asked."""
    listed: int = 0
    """How many models it has, selected or not."""
    selected: list[str] | None = None
    """The selection; ``None`` is all."""
    native: list[str] | None = None
    """The dialects that it speaks itself."""
    dialects: list[str] | None = None
    """The dialects that can be answered, by translation as well; ``None`` is not known yet."""
    key: str = "none"
    """``environment NAME``, ``keyring``, ``file`` or ``none``."""
    key_env: str | None = None
    domain: str | None = None
    version: str | None = None
    priority: int = 0
    weight: float = 1.0
    slots: int = 64
    """Requests from here that run there side by side."""
    slots_from: Literal["set", "measured", "guessed"] = "guessed"
    """Who says so: the owner of the connection, the server, or what is usual and how late it answers."""
    share: bool = False
    history: list[Turn] = []
    hops: list[Hop] = []
    """Of the latest test."""


class ConnectionWanted(Message, forbid_unknown_fields=True):
    """Add a connection. It is tested first; with ``force`` it is added even if that fails."""

    name: str
    type: ConnectionType = "openai"
    url: str = ""
    secret: str | None = None
    """Its key, or a cluster's secret key."""
    key_env: str | None = None
    enabled: bool = True
    in_routing: bool = True
    priority: int = 0
    weight: float = 1.0
    slots: int | None = None
    """``None`` has them learnt."""
    share: bool = False
    models: list[str] | None = None
    access_key: str | None = None
    domain: str | None = None
    version: str | None = None
    force: bool = False

    def __repr__(self) -> str:
        return f"ConnectionWanted({self.name!r}, {self.type}, secret={'***' if self.secret else None})"


class ConnectionSettings(Message, forbid_unknown_fields=True, omit_defaults=True):
    """What may be changed of a connection; what is not there stays."""

    url: str | UnsetType = UNSET
    secret: str | UnsetType | None = UNSET
    """``null`` forgets the key."""
    key_env: str | UnsetType | None = UNSET
    in_routing: bool | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    weight: float | UnsetType = UNSET
    slots: int | UnsetType | None = UNSET
    share: bool | UnsetType = UNSET
    access_key: str | UnsetType = UNSET
    domain: str | UnsetType | None = UNSET
    version: str | UnsetType | None = UNSET
    force: bool = False

    def __repr__(self) -> str:
        names = [name for name in self.__struct_fields__ if getattr(self, name) is not msgspec.UNSET]
        return f"ConnectionSettings({', '.join(names)})"


class Selection(Message, forbid_unknown_fields=True):
    """The models of a connection that are used; ``None`` is all that it lists."""

    models: list[str] | None


class Toggle(Message, forbid_unknown_fields=True):
    """Switch a connection on or off; ``None`` is the other of the two."""

    enabled: bool | None = None
