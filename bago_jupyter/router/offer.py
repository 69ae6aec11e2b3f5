"""The catalogue: who offers which model, as an immutable snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from .names import Names
from .shape import Dialect, Task
from .weights import short

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
    chat: bool = True
    """Whether it was made to chat, as far as is known."""
    digest: str | None = None
    quantization: str | None = None
    local: bool = False
    """Answered on this machine."""
    peer: bool = False
    """Answered by another node of the mesh."""
    dialects: frozenset[Dialect] | None = None
    """What it speaks, natively or by translation; ``None`` is all."""
    native: frozenset[Dialect] | None = None
    """What it speaks without translation; ``None`` is all."""
    shared: bool = True
    """Whether requests of peers may go there."""
    slots: int = 1
    max_load_percent: int = 100
    """Share of its slots that requests from here may take."""
    priority: int = 0
    """Lower comes first under ``priority``."""
    weight: float = 1.0
    """Share under ``weighted``."""
    since: float = 0.0
    """When its node became a trusted one, as a Unix time; 0 for what this node has itself."""
    created: int | None = None
    """When its weights were made, or came to where they are, as a Unix time."""


Ranked = tuple[int, Offer]
Gated = tuple[int, Offer, tuple[str, str] | None]
"""With the gate that it does not pass, and the reason."""


class Table:
    """Every offer, looked up by model. Immutable; a new one is made when the catalogue changes.

    ``routes`` are further names, each for a chain of models (``name`` or ``node/name``) that are tried one
    after the other. ``weights`` are the digests that a name stands for (:class:`~.weights.Weights`): what
    has another one is another model, which is asked as ``node/name`` only.
    """

    __slots__ = (
        "_apart",
        "_by_model",
        "_by_name",
        "_by_route",
        "_names",
        "_weights",
        "gated",
        "offers",
        "routes",
    )

    def __init__(
        self,
        offers: Iterable[Offer] = (),
        routes: Mapping[str, Sequence[str]] | None = None,
        weights: Mapping[str, frozenset[str]] | None = None,
    ):
        self.offers = tuple(sorted(offers, key=lambda offer: (offer.model, offer.node, offer.backend)))
        self.routes = dict(routes or {})
        self._weights = weights or {}
        by_model: defaultdict[str, list[Ranked]] = defaultdict(list)
        by_path: defaultdict[str, list[Ranked]] = defaultdict(list)
        apart: defaultdict[str, list[Offer]] = defaultdict(list)
        for offer in self.offers:
            if self.is_other(offer):
                apart[offer.model].append(offer)
            else:
                by_model[offer.model].append((0, offer))
            by_path[f"{offer.node}/{offer.model}"].append((0, offer))
        self._apart = dict(apart)
        self._names: Names | None = None
        self._by_model = {model: tuple(found) for model, found in by_model.items()}
        self._by_name = _named(self._by_model, by_path)
        self._by_route = {name: self._chain(targets) for name, targets in self.routes.items()}
        self.gated: dict[object, tuple[Gated, ...]] = {}
        """What the gates say of the offers themselves, by kind of request: kept here by whoever asks, since
        it holds as long as the table does."""

    def find(self, model: str, *, relayed: bool = False) -> tuple[Ranked, ...]:
        """Offers of ``name``, ``node/name`` or a route, each with its model's place in the chain.

        A route wins over a model of the same name, a plain name that holds a slash over ``node/name``. But
        what peers call themselves and their models takes no name from what this node has itself.
        A ``relayed`` request means the model itself: the node that relays it chose that one.
        Where nothing is called exactly so, the only name that differs by case or ``:latest`` alone counts.
        """
        found = (not relayed and self._by_route.get(model)) or self._plain(model)
        if not found and not relayed and (alike := self.names.only(model)) is not None:
            found = self._by_route.get(alike) or self._plain(alike)
        return found

    def apart(self, model: str) -> list[Offer]:
        """What is offered under the name ``model``, or that of a target of this route, and is another model
        by its weights."""
        if not self._apart:
            return []
        named = self._exact(model)
        found = {offer for _, offer in self.find(named)}
        names = self.routes[named] if self._by_route.get(named) else (named,)
        return [offer for name in names for offer in self._apart.get(name, ()) if offer not in found]

    def is_other(self, offer: Offer) -> bool:
        """Whether ``offer`` is another model, by its weights, than its name stands for here."""
        stands_for = self._weights.get(offer.model)
        return stands_for is not None and offer.digest is not None and offer.digest not in stands_for

    def difference(self, offer: Offer) -> str:
        """Why ``offer`` is another model than its name stands for here, in words."""
        here = ", ".join(sorted(map(short, self._weights[offer.model])))
        return (
            f"its weights ({short(offer.digest or '')}) are not those that {offer.model} stands for here "
            f"({here}); they are asked as {offer.node}/{offer.model}"
        )

    def weights(self, model: str) -> frozenset[str]:
        """The digests that the plain name ``model`` stands for; none where none is known."""
        return self._weights.get(model, frozenset())

    @property
    def names(self) -> Names:
        """All that can be asked for, by what is alike of it."""
        if self._names is None:
            own = {name for name, found in self._by_name.items() if any(not offer.peer for _, offer in found)}
            routes = [name for name, found in self._by_route.items() if found]
            self._names = Names([*routes, *self._by_name, *self._apart], own.union(routes))
        return self._names

    @property
    def models(self) -> Mapping[str, tuple[Offer, ...]]:
        """Offers by plain model name."""
        return {model: tuple([offer for _, offer in found]) for model, found in self._by_model.items()}

    def _exact(self, model: str) -> str:
        """The name that ``model`` was taken for."""
        known = self._by_route.get(model) or model in self._by_name or model in self._apart
        return model if known else self.names.only(model) or model

    def _plain(self, model: str) -> tuple[Ranked, ...]:
        return self._by_name.get(model, ())

    def _chain(self, targets: Sequence[str]) -> tuple[Ranked, ...]:
        found: dict[tuple[str, str], Ranked] = {}
        for rank, target in enumerate(targets):
            for _, offer in self._plain(target):
                found.setdefault((offer.backend, offer.model), (rank, offer))
        return tuple(found.values())


def _named(
    by_model: Mapping[str, tuple[Ranked, ...]], by_path: Mapping[str, Sequence[Ranked]]
) -> dict[str, tuple[Ranked, ...]]:
    """All that a name may stand for, by plain names and by ``node/name``."""
    names = dict(by_model)
    for path, found in by_path.items():
        own = tuple([ranked for ranked in found if not ranked[1].peer])
        if path not in names or (own and all(offer.peer for _, offer in names[path])):
            names[path] = own or tuple(found)
    return names
