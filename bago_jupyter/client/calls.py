"""The management API as data, shared by both clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from ..errors import NotFound
from ..events import AnyEvent
from ..wire import (
    ApiKeyInfo,
    ApiKeyWanted,
    ConnectionInfo,
    ConnectionModel,
    ConnectionSettings,
    ConnectionWanted,
    ConnectRequest,
    Decision,
    Drain,
    JobEvent,
    JoinInfo,
    JoinRequest,
    KeyInfo,
    KeyWanted,
    LoadRequest,
    ModelInfo,
    ModelSharing,
    NodeInfo,
    NodeSettings,
    Ping,
    PullInfo,
    PullRequest,
    RequestInfo,
    RequestWanted,
    RouteInfo,
    RouteWanted,
    Selection,
    SharingWanted,
    SlotInfo,
    StatsRow,
    StatsSeries,
    Status,
    Toggle,
    Topology,
    UnloadRequest,
)

T = TypeVar("T")


class Call(NamedTuple, Generic[T]):
    """One request of the management API and the type of its answer."""

    method: str
    path: str
    type: type[T]
    body: msgspec.Struct | dict[str, Any] | None = None
    params: dict[str, Any] | None = None


class Calls:
    """The management API as data, shared by both clients."""

    @staticmethod
    def status() -> Call[Status]:
        return Call("GET", "/api/v1/status", Status)

    @staticmethod
    def models() -> Call[list[ModelInfo]]:
        return Call("GET", "/api/v1/models", list[ModelInfo])

    @staticmethod
    def offered() -> Call[dict[str, Any]]:
        """Every model of the mesh, as OpenAI clients see it."""
        return Call("GET", "/v1/models", dict[str, Any])

    @staticmethod
    def slots(model: str) -> Call[list[SlotInfo]]:
        return Call("GET", "/api/v1/models/slots", list[SlotInfo], params={"model": model})

    @staticmethod
    def unload(model: str, on: str | None = None) -> Call[ModelInfo]:
        return Call("POST", models_route(on, "unload"), ModelInfo, UnloadRequest(model=model))

    @staticmethod
    def remove(model: str) -> Call[None]:
        return Call("DELETE", "/api/v1/models", type(None), params={"model": model})

    @staticmethod
    def decisions(limit: int) -> Call[list[Decision]]:
        return Call("GET", "/api/v1/decisions", list[Decision], params={"limit": limit})

    @staticmethod
    def why(id: str | None) -> Call[Decision]:
        return Call("GET", f"/api/v1/decisions/{quote(id or 'latest', safe='')}", Decision)

    @staticmethod
    def log(lines: int) -> Call[list[str]]:
        return Call("GET", "/api/v1/log", list[str], params={"lines": lines})

    @staticmethod
    def drain(on: bool) -> Call[Status]:
        return Call("POST", "/api/v1/drain", Status, Drain(on=on))

    @staticmethod
    def shutdown() -> Call[None]:
        return Call("POST", "/api/v1/shutdown", type(None))

    @staticmethod
    def load(request: LoadRequest, on: str | None = None) -> Call[JobEvent]:
        return Call("POST", models_route(on, "load"), JobEvent, request)

    @staticmethod
    def pull(request: PullRequest, on: str | None = None) -> Call[JobEvent]:
        return Call("POST", models_route(on, "pull"), JobEvent, request)

    @staticmethod
    def join(model: str, digests: Sequence[str]) -> Call[JoinInfo]:
        request = JoinRequest(model=model, digests=list(digests))
        return Call("POST", models_route(None, "join"), JoinInfo, request)

    @staticmethod
    def pulls() -> Call[list[PullInfo]]:
        return Call("GET", "/api/v1/pulls", list[PullInfo])

    @staticmethod
    def cancel_pull(id: str) -> Call[None]:
        return Call("DELETE", f"/api/v1/pulls/{quote(id, safe='')}", type(None))

    @staticmethod
    def nodes() -> Call[list[NodeInfo]]:
        return Call("GET", "/api/v1/nodes", list[NodeInfo])

    @staticmethod
    def discovered() -> Call[list[NodeInfo]]:
        return Call("GET", "/api/v1/nodes/discovered", list[NodeInfo])

    @staticmethod
    def node(node: str) -> Call[NodeInfo]:
        return Call("GET", f"/api/v1/nodes/{quote(node, safe='')}", NodeInfo)

    @staticmethod
    def change_node(node: str, changes: NodeSettings) -> Call[NodeInfo]:
        return Call("PATCH", f"/api/v1/nodes/{quote(node, safe='')}", NodeInfo, changes)

    @staticmethod
    def remove_node(node: str) -> Call[None]:
        return Call("DELETE", f"/api/v1/nodes/{quote(node, safe='')}", type(None))

    @staticmethod
    def ping(node: str) -> Call[Ping]:
        return Call("POST", f"/api/v1/nodes/{quote(node, safe='')}/ping", Ping)

    @staticmethod
    def connections() -> Call[list[ConnectionInfo]]:
        return Call("GET", "/api/v1/connections", list[ConnectionInfo])

    @staticmethod
    def connection(name: str) -> Call[ConnectionInfo]:
        return Call("GET", connection_route(name), ConnectionInfo)

    @staticmethod
    def add_connection(wanted: ConnectionWanted) -> Call[ConnectionInfo]:
        return Call("POST", "/api/v1/connections", ConnectionInfo, wanted)

    @staticmethod
    def change_connection(name: str, changes: ConnectionSettings) -> Call[ConnectionInfo]:
        return Call("PATCH", connection_route(name), ConnectionInfo, changes)

    @staticmethod
    def remove_connection(name: str) -> Call[None]:
        return Call("DELETE", connection_route(name), type(None))

    @staticmethod
    def toggle_connection(name: str, enabled: bool | None) -> Call[ConnectionInfo]:
        return Call("POST", connection_route(name, "/toggle"), ConnectionInfo, Toggle(enabled=enabled))

    @staticmethod
    def check_connection(name: str) -> Call[ConnectionInfo]:
        return Call("POST", connection_route(name, "/health"), ConnectionInfo)

    @staticmethod
    def check_connections() -> Call[list[ConnectionInfo]]:
        return Call("POST", "/api/v1/connections/health", list[ConnectionInfo])

    @staticmethod
    def connection_models(name: str) -> Call[list[ConnectionModel]]:
        return Call("GET", connection_route(name, "/models"), list[ConnectionModel])

    @staticmethod
    def select_models(name: str, models: list[str] | None) -> Call[list[ConnectionModel]]:
        return Call("PUT", connection_route(name, "/models"), list[ConnectionModel], Selection(models=models))

    @staticmethod
    def keys() -> Call[list[KeyInfo]]:
        return Call("GET", "/api/v1/keys", list[KeyInfo])

    @staticmethod
    def make_key(wanted: KeyWanted) -> Call[KeyInfo]:
        return Call("POST", "/api/v1/keys", KeyInfo, wanted)

    @staticmethod
    def revoke_key(id: str) -> Call[KeyInfo]:
        return Call("DELETE", f"/api/v1/keys/{quote(id, safe='')}", KeyInfo)

    @staticmethod
    def connect(key: str) -> Call[NodeInfo]:
        return Call("POST", "/api/v1/connect", NodeInfo, ConnectRequest(key=key))

    @staticmethod
    def requests() -> Call[list[RequestInfo]]:
        return Call("GET", "/api/v1/requests", list[RequestInfo])

    @staticmethod
    def request(node: str) -> Call[RequestInfo]:
        return Call("POST", "/api/v1/requests", RequestInfo, RequestWanted(node=node))

    @staticmethod
    def decide(request: str, decision: str) -> Call[RequestInfo]:
        return Call("POST", f"/api/v1/requests/{quote(request, safe='')}/{decision}", RequestInfo)

    @staticmethod
    def sharing() -> Call[list[ModelSharing]]:
        return Call("GET", "/api/v1/sharing", list[ModelSharing])

    @staticmethod
    def share(model: str, shared: bool) -> Call[None]:
        return Call("POST", "/api/v1/sharing", type(None), SharingWanted(model=model, shared=shared))

    @staticmethod
    def api_keys() -> Call[list[ApiKeyInfo]]:
        return Call("GET", "/api/v1/apikeys", list[ApiKeyInfo])

    @staticmethod
    def add_api_key(name: str) -> Call[ApiKeyInfo]:
        return Call("POST", "/api/v1/apikeys", ApiKeyInfo, ApiKeyWanted(name=name))

    @staticmethod
    def remove_api_key(name: str) -> Call[None]:
        return Call("DELETE", "/api/v1/apikeys", type(None), params={"name": name})

    @staticmethod
    def routes() -> Call[list[RouteInfo]]:
        return Call("GET", "/api/v1/routes", list[RouteInfo])

    @staticmethod
    def set_route(name: str, targets: Sequence[str]) -> Call[RouteInfo]:
        return Call("POST", "/api/v1/routes", RouteInfo, RouteWanted(name=name, targets=list(targets)))

    @staticmethod
    def remove_route(name: str) -> Call[None]:
        return Call("DELETE", "/api/v1/routes", type(None), params={"name": name})

    @staticmethod
    def stats(by: Sequence[str], since: float) -> Call[list[StatsRow]]:
        params = {"by": ",".join(by), "since": since}
        return Call("GET", "/api/v1/stats", list[StatsRow], params=params)

    @staticmethod
    def series(by: Sequence[str], since: float, points: int) -> Call[list[StatsSeries]]:
        params = {"by": ",".join(by), "since": since, "points": points}
        return Call("GET", "/api/v1/stats/series", list[StatsSeries], params=params)

    @staticmethod
    def topology() -> Call[Topology]:
        return Call("GET", "/api/v1/topology", Topology)

    @staticmethod
    def settings() -> Call[dict[str, Any]]:
        return Call("GET", "/api/v1/settings", dict[str, Any])

    @staticmethod
    def configure(changes: dict[str, Any]) -> Call[dict[str, Any]]:
        return Call("PATCH", "/api/v1/settings", dict[str, Any], changes)

    @staticmethod
    def events() -> Call[AnyEvent]:
        return Call("GET", "/api/v1/events", AnyEvent)  # type: ignore[arg-type]

    @staticmethod
    def chat(messages: list[dict[str, Any]], model: str, options: dict[str, Any]) -> Call[bytes]:
        body = {"model": model, "messages": messages, "stream": True}
        body["stream_options"] = {"include_usage": True}
        body.update({k: v for k, v in options.items() if v is not None})
        return Call("POST", "/v1/chat/completions", bytes, body)


def connection_route(name: str, more: str = "") -> str:
    """The route of one connection. Raises :class:`NotFound` for what cannot name one."""
    if "/" in name or not name:
        raise NotFound(f"There is no connection {name!r}: its name is what stands before NAME/MODEL's slash.")
    return f"/api/v1/connections/{quote(name, safe='')}{more}"


def models_route(on: str | None, action: str) -> str:
    """The route of an action on models, here or on paired node ``on``."""
    where = f"nodes/{quote(on, safe='')}/" if on else ""
    return f"/api/v1/{where}models/{action}"
