"""The settings view: name, network, access, team, keys, routing and sharing of a node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..client import AsyncNodeClient, NodeClient
from ..errors import InvalidRequest
from ..events import AnyEvent, LibraryChanged, NodesChanged, NodeUp
from ..settings import POLICIES
from . import sections
from .base import bundle
from .live import LiveView
from .sections import Section

_SHOWN = ("name", "port", "advertise", "discovery", "external", "api_key", "cluster_key", "policy")
TARGETS = 500
"""Models that are proposed for a route."""


class SettingsView(LiveView):
    """What the owner of a node sets, in place.

    Of the API key and the team key it knows only whether they are set. A named API key goes to the view
    that asked for it, in the answer that makes it, and nowhere else.
    """

    _esm = bundle("settings.js")
    _css = bundle("settings.css")

    def gather(self, client: NodeClient) -> dict[str, Any]:
        status, settings = client.status(), client.settings()
        own = [model.id for model in client.models()]
        theirs = [f"{node.name}/{model.id}" for node in client.nodes() for model in node.models]
        return {
            "node": {
                "name": status.name,
                "fingerprint": status.fingerprint,
                "port": status.port,
                "draining": status.draining,
            },
            "settings": {name: settings[name] for name in _SHOWN},
            "policies": list(POLICIES),
            "api_keys": [_key(info) for info in msgspec.to_builtins(client.api_keys())],
            "routes": [msgspec.to_builtins(route) for route in client.routes()],
            "sharing": [msgspec.to_builtins(model) for model in client.sharing()],
            "targets": sorted({*own, *theirs})[:TARGETS],
        }

    def concerns(self, event: AnyEvent) -> bool:
        return isinstance(event, (NodesChanged, NodeUp, LibraryChanged))

    async def respond(self, kind: str, request: dict[str, Any]) -> Any:
        """Every request changes something, and the view shows it before the request is answered."""
        change = _CHANGES.get(kind)
        if change is None:
            return await super().respond(kind, request)
        answer = await change(await self.client(), request)
        await self.renew()
        return answer

    def plain(self) -> str:
        return sections.plain(self._title(), self._sections(), self._down)

    def html(self) -> str:
        return sections.html(self._title(), self._sections(), self._down)

    def _title(self) -> str:
        return f"Settings of {self._view['node']['name']}" if self._view else "Settings"

    def _sections(self) -> list[Section]:
        view = self._view
        if view is None:
            return []
        node, settings = view["node"], view["settings"]
        facts = [
            ("name", settings["name"] or "not set"),
            ("advertise", _word(settings["advertise"])),
            ("discovery", _word(settings["discovery"])),
            ("external access", _word(settings["external"])),
            ("API key", _set(settings["api_key"])),
            ("team key", _set(settings["cluster_key"])),
            ("routing policy", settings["policy"]),
            ("draining", _word(node["draining"])),
        ]
        keys = [(key["name"],) for key in view["api_keys"]]
        routes = [(route["name"], " > ".join(route["targets"])) for route in view["routes"]]
        shared = [(model["model"], _word(model["shared"])) for model in view["sharing"]]
        found = [
            Section("Settings", ("setting", "value"), facts),
            Section("API keys", ("name",), keys),
            Section("Routes", ("name", "leads to"), routes),
            Section("Sharing", ("model", "shared"), shared),
        ]
        return [section for section in found if section.rows]


async def _configure(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    changes = request.get("changes")
    if not isinstance(changes, dict) or not changes or not changes.keys() <= set(_SHOWN):
        raise InvalidRequest(f"These settings can be changed here: {', '.join(_SHOWN)}.")
    await client.configure(**changes)


async def _add_api_key(client: AsyncNodeClient, request: dict[str, Any]) -> Any:
    info = await client.add_api_key(_text(request, "name", "a name"))
    return {"name": info.name, "key": info.key}


async def _remove_api_key(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.remove_api_key(_text(request, "name", "a name"))


async def _set_route(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    targets = request.get("targets")
    if not isinstance(targets, list) or not targets or not all(isinstance(to, str) for to in targets):
        raise InvalidRequest("A route leads to one model or more; name them in the order of preference.")
    await client.set_route(_text(request, "name", "a name"), targets)


async def _remove_route(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.remove_route(_text(request, "name", "a name"))


async def _share(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.share(_text(request, "model", "a model"), bool(request.get("shared")))


async def _drain(client: AsyncNodeClient, request: dict[str, Any]) -> None:
    await client.drain(bool(request.get("on")))


Handler = Callable[[AsyncNodeClient, dict[str, Any]], Awaitable[Any]]
_CHANGES: dict[str, Handler] = {
    "configure": _configure,
    "add_api_key": _add_api_key,
    "remove_api_key": _remove_api_key,
    "set_route": _set_route,
    "remove_route": _remove_route,
    "share": _share,
    "drain": _drain,
}


def _text(request: dict[str, Any], field: str, what: str) -> str:
    value = request.get(field)
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(f"This needs {what}.")
    return value.strip()


def _key(info: dict[str, Any]) -> dict[str, Any]:
    return {name: info[name] for name in ("name", "created", "last_used")}


def _word(value: bool) -> str:
    return "on" if value else "off"


def _set(value: bool) -> str:
    return "set" if value else "not set"
