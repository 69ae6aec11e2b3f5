"""The models of the whole mesh, by who has them: what the views of models and chats choose from."""

from __future__ import annotations

from typing import Any

import msgspec

from ..client import NodeClient
from ..client.answers import USELESS
from ..errors import ModelNotFound
from ..wire import ConnectionInfo, ModelInfo, NodeInfo

BEST = "Best node"
"""Heading of the plain names: the router picks who answers."""
JSON = dict[str, Any]


def read(client: NodeClient) -> JSON:
    """``name`` of the node, ``groups`` of models (this node, its peers, its connections) and ``routes``,
    as JSON values. Paths on this machine are left out. In any thread. Raises
    :class:`~bago_jupyter.errors.BagoError`."""
    name = client.status().name
    shared = {sharing.model: sharing.shared for sharing in client.sharing()}
    mine = [_model(info) | {"shared": shared.get(info.id)} for info in client.models()]
    own = _group("own", "", name, "online", None, mine, True)
    peers = [_peer(node) for node in client.nodes()]
    connections = [_connection(connection) for connection in client.connections()]
    routes = [msgspec.to_builtins(route) for route in client.routes()]
    return {"name": name, "groups": [own, *peers, *connections], "routes": routes}


def choices(catalogue: JSON) -> list[JSON]:
    """What a request can name, grouped as a selector shows it: plain names first, then by node.

    Each option has the ``value`` that goes into the request, a ``label``, the ``state`` of the model, and
    whether it was made to ``chat``.
    """
    groups = [group for group in catalogue["groups"] if group["state"] not in ("offline", "disabled")]
    plain: dict[str, JSON] = {}
    for route in catalogue["routes"]:
        if len(route["missing"]) < len(route["targets"]):
            plain[route["name"]] = _option(route["name"], route["name"], "route")
    made = []
    for group in groups:
        options = []
        for model in group["models"]:
            if "generate" not in model["tasks"] or (model["state"] in USELESS and not model["runners"]):
                continue
            id, state, chat = model["id"], model["state"], model["chat"]
            options.append(_option(f"{group['name']}/{id}", id, state, chat))
            known = plain.get(id)
            if (
                not group["routed"]
                or model["other"]
                or (known and (known["state"] in ("ready", "route") or state != "ready"))
            ):
                continue
            plain[id] = _option(id, id, state, chat)
        if options:
            made.append({"label": group["name"], "kind": group["kind"], "options": options})
    best = {"label": BEST, "kind": "best", "options": list(plain.values())}
    return [best, *made] if plain else made


def default(groups: list[JSON]) -> str:
    """What to ask when nobody chose: a loaded model that chats, else the first. Raises
    :class:`ModelNotFound`."""
    options = [option for option in (groups[0]["options"] if groups else []) if option["chat"]]
    for option in sorted(options, key=lambda option: option["state"] != "ready"):
        return str(option["value"])
    raise ModelNotFound("There is no model to chat with yet; pull one, in the Models view or by %bago pull.")


def _group(
    kind: str, id: str, name: str, state: str, reason: str | None, models: list[JSON], routed: bool
) -> JSON:
    return {
        "kind": kind,
        "id": id,
        "name": name,
        "state": state,
        "reason": reason,
        "models": models,
        "routed": routed,
    }


def _peer(node: NodeInfo) -> JSON:
    models = [_model(model) for model in node.models]
    return _group("peer", node.fingerprint, node.name, node.state, node.reason, models, node.in_routing)


def _connection(connection: ConnectionInfo) -> JSON:
    models = [
        _model(ModelInfo(id=id, state="available", engine=connection.type, tasks=_tasks(connection)))
        for id in connection.models
    ]
    state = {"healthy": "online", "unhealthy": "offline"}.get(connection.health, connection.health)
    why = connection.error or connection.reason
    return _group("connection", connection.name, connection.name, state, why, models, connection.in_routing)


def _tasks(connection: ConnectionInfo) -> list[str]:
    """What can be asked of its models; everything where it is not known yet."""
    spoken = {"embeddings": "embed", "rerank": "rerank"}
    dialects = ["chat", *spoken] if connection.dialects is None else connection.dialects
    return sorted({spoken.get(dialect, "generate") for dialect in dialects})


def _model(info: ModelInfo) -> JSON:
    made: JSON = msgspec.to_builtins(info)
    del made["path"], made["nodes"]
    for runner in made["runners"]:
        del runner["url"], runner["pid"]
    return made


def _option(value: str, label: str, state: str, chat: bool = True) -> JSON:
    return {"value": value, "label": label, "state": state, "chat": chat}
