"""Other nodes: paired, discovered, asked; keys and sharing."""

from __future__ import annotations

from typing import Literal

from .base import Message
from .models import ModelInfo
from .resources import Resources


class Turn(Message):
    """A change of a paired node's state."""

    at: float
    state: str
    reason: str


class NodeInfo(Message):
    """Another node: discovered, paired, or both."""

    fingerprint: str
    name: str
    addresses: list[str] = []
    """``host:port``, the one in use or the best first."""
    version: str | None = None
    engines: list[str] | None = None
    accelerator: str | None = None
    model_count: int | None = None
    """Models in its library, as it announces."""
    age: float | None = None
    """Seconds since its last announcement."""
    paired: bool = False
    via: str | None = None
    state: Literal["online", "offline", "unknown"] = "unknown"
    reason: str | None = None
    latency: float | None = None
    models: list[ModelInfo] = []
    priority: int = 0
    weight: float = 1.0
    max_load_percent: int = 100
    in_routing: bool = True
    allow_control: bool = False
    history: list[Turn] = []
    resources: Resources | None = None
    """Of its machine, as it says while it is online."""


class NodeSettings(Message, forbid_unknown_fields=True):
    """What the owner may change of a paired node; ``None`` leaves it."""

    priority: int | None = None
    weight: float | None = None
    max_load_percent: int | None = None
    in_routing: bool | None = None
    allow_control: bool | None = None


class Ping(Message):
    """A probe of a paired node."""

    latency: float
    address: str | None = None


class KeyWanted(Message, forbid_unknown_fields=True):
    """Make a connection key; ``None`` means the default."""

    ttl: float | None = None
    name: str | None = None
    interface: str | None = None


class KeyInfo(Message):
    """A connection key that was given out; ``text`` and ``qr`` only in the answer that makes it."""

    id: str
    state: Literal["open", "used", "revoked", "expired"]
    created: float
    expires: float
    name: str
    addresses: list[str] = []
    used_by: str | None = None
    text: str | None = None
    qr_svg: str | None = None
    qr_text: str | None = None

    def __repr__(self) -> str:
        return f"KeyInfo({self.id}, {self.state})"


class ConnectRequest(Message, forbid_unknown_fields=True):
    """Pair by a connection key."""

    key: str

    def __repr__(self) -> str:
        return "ConnectRequest(***)"


class RequestWanted(Message, forbid_unknown_fields=True):
    """Ask a discovered node (name, fingerprint, or the fingerprint's first digits) for a connection."""

    node: str


class RequestInfo(Message):
    """A request for a connection, ours or another node's."""

    id: str
    direction: Literal["incoming", "outgoing"]
    name: str
    fingerprint: str
    code: str
    """The match code: both owners must see the same."""
    state: str
    since: float
    address: str | None = None


class ModelSharing(Message):
    """Whether peers may use a model of this node's library."""

    model: str
    shared: bool


class SharingWanted(Message, forbid_unknown_fields=True):
    """Whether peers may use a model of this node."""

    model: str
    shared: bool
