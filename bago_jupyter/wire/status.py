"""The node itself."""

from __future__ import annotations

from typing import Literal

import msgspec

from .base import Message
from .models import EngineInfo, RunnerInfo
from .resources import Resources

Place = Literal["thread", "kernel", "process", "headless"]


class Counts(Message):
    """Requests since the node started."""

    total: int = 0
    ok: int = 0
    failed: int = 0
    cancelled: int = 0
    in_flight: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Status(Message):
    """What the status card shows."""

    name: str
    fingerprint: str
    version: str
    pid: int
    place: Place
    started_at: float
    uptime: float
    home: str
    url: str
    """Base URL for OpenAI clients, ``http://host:port/v1``."""
    port: int
    loop: str
    api_key_required: bool = False
    engines: list[EngineInfo] = []
    accelerator: str | None = None
    library: int = 0
    runners: list[RunnerInfo] = []
    requests: Counts = msgspec.field(default_factory=Counts)
    draining: bool = False
    """Whether it takes no new requests for its own models."""
    notices: list[str] = []
    """Things the owner should know, such as a port that was taken."""
    resources: Resources | None = None
    """Of its machine; ``None`` as long as nobody has looked."""


class Drain(Message, forbid_unknown_fields=True):
    """Take no new requests, or take them again."""

    on: bool


class NodeFile(Message):
    """``node.json``: how to reach the node of a home. Mode 0600, since it holds the admin token."""

    pid: int
    host: str
    port: int
    started_at: float
    place: Place
    version: str
    fingerprint: str
    admin_token: str
    api_key: str | None = None

    def __repr__(self) -> str:
        return f"NodeFile(pid={self.pid}, {self.host}:{self.port}, {self.place})"
