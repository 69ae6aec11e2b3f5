"""The catalogue: who offers which model, as an immutable snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from .shape import Dialect, Task

Health = Literal["healthy", "warming", "unhealthy", "disabled", "unknown"]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one backend.

    The same name is not the same model: ``digest``, ``quantization`` and ``context_length`` tell.
    """

    backend: str
    """Id of the backend, unique in the mesh."""
    node: str
    """Name of the node or connection, for people and for ``node/model`` names."""
    model: str
    tasks: frozenset[Task]
    state: Literal["ready", "loading", "available", "failed"] = "ready"
    """``available`` is on disk: the first request loads it."""
    health: Health = "healthy"
    reason: str | None = None
    """Why it is not healthy."""
    context_length: int | None = None
    digest: str | None = None
    quantization: str | None = None
    local: bool = False
    """Answered on this machine."""
    peer: bool = False
    """Answered by another node of the mesh."""
    dialects: frozenset[Dialect] | None = None
    """What it speaks, natively or by translation; ``None`` is all."""
    shared: bool = True
    """Whether requests of peers may go there."""
    slots: int = 1
    max_load_percent: int = 100
    """Share of its slots that requests from here may take."""
    priority: int = 0
    """Lower comes first under ``priority``."""
    weight: float = 1.0
    """Share under ``weighted``."""


class Table:
    """Every offer, looked up by model. Immutable; a new one is made when the catalogue changes."""

    __slots__ = ("_by_model", "_by_path", "offers")

    def __init__(self, offers: Iterable[Offer] = ()):
        self.offers = tuple(sorted(offers, key=lambda offer: (offer.model, offer.node, offer.backend)))
        self._by_model: dict[str, tuple[Offer, ...]] = {}
        self._by_path: dict[str, tuple[Offer, ...]] = {}
        for offer in self.offers:
            for index, key in ((self._by_model, offer.model), (self._by_path, f"{offer.node}/{offer.model}")):
                index[key] = (*index.get(key, ()), offer)

    def find(self, model: str) -> tuple[Offer, ...]:
        """Offers of ``name`` or ``node/name``; a plain name that holds a slash wins."""
        return self._by_model.get(model) or self._by_path.get(model, ())

    @property
    def models(self) -> Mapping[str, tuple[Offer, ...]]:
        """Offers by plain model name."""
        return self._by_model
