"""``/v1/models``: every model and route once, with a ``bago`` object that tells where it is."""

from __future__ import annotations

from typing import Any

from ..errors import ModelNotFound
from ..router import Offer, Table

OURS = "bago"
"""Who owns a route."""


def list_models(table: Table) -> dict[str, Any]:
    """OpenAI's list object. A route that leads to nothing now is left out; one with the name of a model
    stands in that model's place."""
    names = dict.fromkeys([*table.models, *table.routes])
    entries = [_entry(table, name) for name in names if _usable(_offers(table, name))]
    return {"object": "list", "data": entries}


def show_model(table: Table, id: str) -> dict[str, Any]:
    """OpenAI's model object. Raises :class:`ModelNotFound`."""
    if not _offers(table, id):
        raise ModelNotFound(f"No node has a model {id!r}.", param="model")
    return _entry(table, id)


def as_anthropic(listed: dict[str, Any]) -> dict[str, Any]:
    """A list of models, or one, with the fields by which Anthropic's packages know them."""
    if listed["object"] == "model":
        return {**listed, "type": "model", "display_name": listed["id"], "created_at": "1970-01-01T00:00:00Z"}
    entries = [as_anthropic(entry) for entry in listed["data"]]
    ends = [entry["id"] for entry in (entries[:1] + entries[-1:])] or [None]
    return {"data": entries, "has_more": False, "first_id": ends[0], "last_id": ends[-1]}


def _offers(table: Table, id: str) -> list[Offer]:
    return [offer for _, offer in table.find(id)]


def _usable(offers: list[Offer]) -> bool:
    return any(offer.state != "failed" and offer.health != "disabled" for offer in offers)


def _entry(table: Table, id: str) -> dict[str, Any]:
    offers = _offers(table, id)
    targets = table.routes.get(id, ())
    # A route that leads to nothing leaves its name to the model of that name.
    routed = any(not {offer.model, f"{offer.node}/{offer.model}"}.isdisjoint(targets) for offer in offers)
    return {
        "id": id,
        "object": "model",
        "created": 0,
        "owned_by": OURS if routed else offers[0].node,
        "bago": {
            **({"route": list(targets)} if routed else {}),
            "nodes": [
                {
                    "node": offer.node,
                    "model": offer.model,
                    "backend": offer.backend,
                    "state": offer.state,
                    "health": offer.health,
                    "context_length": offer.context_length,
                    "quantization": offer.quantization,
                    "digest": offer.digest,
                    "tasks": sorted(offer.tasks),
                    "chat": offer.chat and "generate" in offer.tasks,
                }
                for offer in offers
            ],
        },
    }
