"""``/v1/models``: every model and route once, with a ``bago`` object that tells where it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ..errors import ModelNotFound
from ..router import Offer, Table

OURS = "bago"
"""Who owns a route."""


def list_models(table: Table, since: int = 0) -> dict[str, Any]:
    """OpenAI's list object. A route that leads to nothing now is left out; one with the name of a model
    stands in that model's place. Other weights under the name of a model are models of their own, called
    ``node/name``. ``since`` is the Unix time given for what does not say when it was made.
    """
    names = dict.fromkeys([*table.models, *table.routes, *_others(table)])
    entries = [_entry(table, name, since) for name in names if _usable(_offers(table, name))]
    return {"object": "list", "data": entries}


def show_model(table: Table, id: str, since: int = 0) -> dict[str, Any]:
    """OpenAI's model object. Raises :class:`ModelNotFound`."""
    if not _offers(table, id):
        raise ModelNotFound(f"No node has a model {id!r}.", param="model")
    return _entry(table, id, since)


def as_anthropic(listed: dict[str, Any]) -> dict[str, Any]:
    """A list of models, or one, with the fields by which Anthropic's packages know them."""
    if listed["object"] == "model":
        created = datetime.fromtimestamp(listed["created"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {**listed, "type": "model", "display_name": listed["id"], "created_at": created}
    entries = [as_anthropic(entry) for entry in listed["data"]]
    ends = [entry["id"] for entry in (entries[:1] + entries[-1:])] or [None]
    return {"data": entries, "has_more": False, "first_id": ends[0], "last_id": ends[-1]}


def _others(table: Table) -> Iterator[str]:
    """Names of what is another model than its own name stands for."""
    for offer in table.offers:
        if table.is_other(offer):
            yield f"{offer.node}/{offer.model}"


def _offers(table: Table, id: str) -> list[Offer]:
    return [offer for _, offer in table.find(id)]


def _usable(offers: list[Offer]) -> bool:
    return any(offer.state != "failed" and offer.health != "disabled" for offer in offers)


def _entry(table: Table, id: str, since: int) -> dict[str, Any]:
    offers = _offers(table, id)
    targets = table.routes.get(id, ())
    # A route that leads to nothing leaves its name to the model of that name.
    routed = any(not {offer.model, f"{offer.node}/{offer.model}"}.isdisjoint(targets) for offer in offers)
    others = [f"{offer.node}/{offer.model}" for offer in table.apart(id)]
    return {
        "id": id,
        "object": "model",
        "created": next((offer.created for offer in offers if offer.created is not None), since),
        "owned_by": OURS if routed else offers[0].node,
        "bago": {
            **({"route": list(targets)} if routed else {}),
            **({"others": others} if others else {}),
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
