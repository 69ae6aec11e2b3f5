"""``/v1/models``: every model once, with a ``bago`` object that tells where it is."""

from __future__ import annotations

from typing import Any

from ..errors import ModelNotFound
from ..router import Offer, Table


def list_models(table: Table) -> dict[str, Any]:
    """OpenAI's list object."""
    return {
        "object": "list",
        "data": [_entry(id, offers) for id, offers in table.models.items() if _usable(offers)],
    }


def show_model(table: Table, id: str) -> dict[str, Any]:
    """OpenAI's model object. Raises :class:`ModelNotFound`."""
    offers = table.find(id)
    if not offers:
        raise ModelNotFound(f"No node has a model {id!r}.", param="model")
    return _entry(id, offers)


def _usable(offers: tuple[Offer, ...]) -> bool:
    return any(offer.state != "failed" for offer in offers)


def _entry(id: str, offers: tuple[Offer, ...]) -> dict[str, Any]:
    return {
        "id": id,
        "object": "model",
        "created": 0,
        "owned_by": offers[0].node,
        "bago": {
            "nodes": [
                {
                    "node": offer.node,
                    "backend": offer.backend,
                    "state": offer.state,
                    "health": offer.health,
                    "context_length": offer.context_length,
                    "quantization": offer.quantization,
                    "digest": offer.digest,
                    "tasks": sorted(offer.tasks),
                }
                for offer in offers
            ]
        },
    }
