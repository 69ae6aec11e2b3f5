"""The nodes view: peers, requests, connection keys and connections, and how one gets more of them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..client import AsyncNodeClient, NodeClient
from ..errors import InvalidRequest
from ..events import AnyEvent, NodesChanged, NodeUp
from ..wire import ConnectionInfo, NodeInfo, Resources
from . import sections
from .base import bundle
from .live import LiveView
from .nodetrial import try_out
from .plain import size
from .sections import Section

SHOWN_MODELS = 50
"""Models of one node or connection that are named; of the others there is the number."""
_PEER: tuple[str, ...] = (
    "fingerprint",
    "name",
    "addresses",
    "version",
    "engines",
    "accelerator",
    "via",
    "state",
    "reason",
)
_PEER += ("priority", "weight", "max_load_percent", "in_routing", "allow_control")
_CONNECTION: tuple[str, ...] = (
    "name",
    "type",
    "url",
    "enabled",
    "in_routing",
    "health",
    "reason",
    "error",
    "listed",
    "key",
)
_CONNECTION += ("priority", "weight", "slots", "slots_from", "share", "key_env", "domain", "version")
_KEY = ("id", "state", "expires", "name", "used_by")
_WANTED = frozenset({"name", "type", "url", "secret", "key_env", "access_key", "domain", "version"})
_WANTED |= {"models", "force"}


class NodesView(LiveView):
    """The nodes that this one knows, with their settings, and the dialogs that add more.

    Secrets pass through requests and their answers only: a new connection key goes to the view that
    asked for it, and keys that are typed go to the node. Neither is kept here.
    """

    _esm = bundle("nodes.js")
    _css = bundle("nodes.css")

    def gather(self, client: NodeClient) -> dict[str, Any]:
        settings, keys = client.settings(), client.keys()
        return {
            "name": client.status().name,
            "discovery": settings["discovery"],
            "advertise": settings["advertise"],
            "nodes": [_peer(node) for node in client.nodes()],
            "connections": [_connection(entry) for entry in client.connections()],
            "requests": [msgspec.to_builtins(request) for request in client.requests()],
            "keys": [_pick(key, _KEY) for key in keys],
        }

    def concerns(self, event: AnyEvent) -> bool:
        return isinstance(event, (NodesChanged, NodeUp))

    async def respond(self, kind: str, request: dict[str, Any]) -> Any:
        """``discovered``, ``decoder`` and ``connection_models`` only look. Every other request changes or
        tries something, and the view shows the outcome before the request is answered."""
        client = await self.client()
        if look := _LOOKS.get(kind):
            return await look(client, request)
        change = _CHANGES.get(kind)
        if change is None:
            return await super().respond(kind, request)
        answer = await change(client, request)
        await self.renew()
        return answer

    def plain(self) -> str:
        return sections.plain(self._title(), self._sections(), self._down)

    def html(self) -> str:
        return sections.html(self._title(), self._sections(), self._down)

    def _title(self) -> str:
        return f"Nodes of {self._view['name']}" if self._view else "Nodes"

    def _sections(self) -> list[Section]:
        view = self._view or {}
        found = [
            Section("Nodes", ("name", "state", "latency", "models", "address"), _node_rows(view)),
            Section("Connections", ("name", "health", "latency", "models", "url"), _connection_rows(view)),
            Section("Requests", ("node", "direction", "match code", "state"), _request_rows(view)),
        ]
        return [section for section in found if section.rows or section.title == "Nodes"]


async def _discovered(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    return [msgspec.to_builtins(node) for node in await client.discovered()]


async def _decoder(client: AsyncNodeClient, request: dict[str, Any]) -> str:
    # Not in the bundle: that is stored in every notebook, and few people read a QR code.
    return bundle("qr.js").read_text("utf-8")


async def _connect(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    return _peer(await client.connect(_text(request, "key")))


async def _ask(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    return msgspec.to_builtins(await client.request(_text(request, "node")))


async def _decide(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    return msgspec.to_builtins(await client.decide(_text(request, "request"), _text(request, "decision")))


async def _make_key(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    if old := request.get("instead_of"):
        await client.revoke_key(str(old))
    options = {name: request.get(name) for name in ("ttl", "name", "interface")}
    key = await client.make_key(**{name: value for name, value in options.items() if value})
    left = key.expires - time.time()
    return {"id": key.id, "name": key.name, "text": key.text, "svg": key.qr_svg, "left": left}


async def _revoke_key(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.revoke_key(_text(request, "key"))


async def _change_node(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.change_node(_text(request, "node"), **_changes(request))


async def _remove_node(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.remove_node(_text(request, "node"))


async def _ping(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    return msgspec.to_builtins(await client.ping(_text(request, "node")))


async def _test(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    return [msgspec.to_builtins(hop) for hop in await try_out(client, _text(request, "node"))]


async def _add_connection(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    wanted = request.get("wanted")
    if not isinstance(wanted, dict) or not wanted.keys() <= _WANTED:
        raise InvalidRequest("A connection has a name, a type and a URL.")
    options = {name: value for name, value in wanted.items() if value not in ("", None, [])}
    await client.add_connection(str(options.pop("name", "")), **options)


async def _change_connection(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.change_connection(_text(request, "name"), **_changes(request))


async def _connection_models(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    name = _text(request, "name")
    info, models = await client.connection(name), await client.connection_models(name)
    return {"all": info.selected is None, "models": [(model.id, model.selected) for model in models]}


async def _select_models(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    models = request.get("models")
    if models is not None and not (isinstance(models, list) and models):
        raise InvalidRequest("Choose a model at least, or all.", param="models")
    found = await client.select_models(_text(request, "name"), models)
    return {"used": sum(model.selected for model in found), "of": len(found)}


async def _toggle_connection(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.toggle_connection(_text(request, "name"), bool(request.get("on")))


async def _check_connection(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    info = await client.check_connection(_text(request, "name"))
    return [msgspec.to_builtins(hop) for hop in info.hops]


async def _remove_connection(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.remove_connection(_text(request, "name"))


async def _discovery(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.configure(discovery=True)


Handler = Callable[[AsyncNodeClient, dict[str, Any]], Awaitable[Any]]
_LOOKS: dict[str, Handler] = {
    "discovered": _discovered,
    "decoder": _decoder,
    "connection_models": _connection_models,
}
_CHANGES: dict[str, Handler] = {
    "connect": _connect,
    "ask": _ask,
    "decide": _decide,
    "make_key": _make_key,
    "revoke_key": _revoke_key,
    "change_node": _change_node,
    "remove_node": _remove_node,
    "ping": _ping,
    "test": _test,
    "add_connection": _add_connection,
    "change_connection": _change_connection,
    "select_models": _select_models,
    "toggle_connection": _toggle_connection,
    "check_connection": _check_connection,
    "remove_connection": _remove_connection,
    "discovery": _discovery,
}


def _text(request: dict[str, Any], field: str) -> str:
    value = request.get(field)
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"This request needs {field!r}.")
    return value


def _changes(request: dict[str, Any]) -> dict[str, Any]:
    changes = request.get("changes")
    if not isinstance(changes, dict):
        raise InvalidRequest("This request needs 'changes'.")
    return changes


def _pick(message: msgspec.Struct, fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(message, name) for name in fields}


def _peer(node: NodeInfo) -> dict[str, Any]:
    models = [{"id": model.id, "state": model.state} for model in node.models]
    return {
        **_pick(node, _PEER),
        "hardware": _hardware(node.resources),
        "latency": _rounded(node.latency),
        "models": models[:SHOWN_MODELS],
        "model_count": len(models),
    }


def _hardware(machine: Resources | None) -> list[str]:
    # What there is; how much of it is in use stands in the dashboard.
    if machine is None:
        return []
    cores = [f"{machine.cores} cores"] if machine.cores else []
    memory = [f"{size(machine.memory_total)} memory"] if machine.memory_total else []
    gpus = [
        f"{gpu.name} ({size(gpu.memory_total)})" if gpu.memory_total else gpu.name
        for gpu in machine.gpus or ()
    ]
    return [*cores, *memory, *gpus]


def _connection(entry: ConnectionInfo) -> dict[str, Any]:
    return {
        **_pick(entry, _CONNECTION),
        "latency": _rounded(entry.latency),
        "models": entry.models[:SHOWN_MODELS],
        "model_count": len(entry.models),
    }


def _rounded(latency: float | None) -> float | None:
    # So that a calm network costs the browser little.
    return None if latency is None else round(latency, 3 if latency >= 0.01 else 4)


def _node_rows(view: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            node["name"],
            sections.reasoned(node["state"], node["reason"]),
            sections.milliseconds(node["latency"]),
            str(node["model_count"]),
            next(iter(node["addresses"]), ""),
        )
        for node in view.get("nodes", ())
    ]


def _connection_rows(view: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            entry["name"],
            sections.reasoned(entry["health"], entry["error"] or entry["reason"]),
            sections.milliseconds(entry["latency"]),
            str(entry["model_count"]),
            entry["url"],
        )
        for entry in view.get("connections", ())
    ]


def _request_rows(view: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(row["name"], row["direction"], row["code"], row["state"]) for row in view.get("requests", ())]
