"""What a machine has, and how much of it is in use."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .base import Message

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Bytes = Annotated[int, Meta(ge=0, le=1 << 60)]
"""Bounded, since a peer may say anything, and what no float holds cannot be shown as a share."""


class GpuInfo(Message):
    """One GPU. What its driver does not tell is ``None``."""

    name: Annotated[str, Meta(max_length=128)]
    load: Share | None = None
    """Share of the latest moments in which it computed."""
    memory_used: Bytes | None = None
    memory_total: Bytes | None = None


class Resources(Message):
    """One machine. What cannot be told there is ``None``."""

    cpu: Share | None = None
    """Share of all cores that was busy since the look before."""
    cores: Bytes | None = None
    """Logical ones."""
    memory_used: Bytes | None = None
    """What no new process could get without swapping."""
    memory_total: Bytes | None = None
    gpus: Annotated[list[GpuInfo], Meta(max_length=64)] | None = None
    """``None`` where they cannot be asked: that is not the same as none."""
