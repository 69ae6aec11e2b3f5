"""Management of connections to servers beyond the mesh."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..backends.http import answerable
from ..connections.connected import Connected
from ..connections.connection import Connection
from ..errors import Unavailable
from ..http1.asgi import GONE
from ..trust.secret import Secret
from ..wire import (
    ConnectionInfo,
    ConnectionModel,
    ConnectionSettings,
    ConnectionType,
    ConnectionWanted,
    Selection,
    Toggle,
    Turn,
)
from .context import Context
from .messages import answer, read

Row = tuple[str, str, Callable[[Request], Awaitable[Response]]]


def table(context: Context) -> list[Row]:
    """The routes: method, path, handler."""
    routes = _Connections(context)
    return [
        ("GET", "/api/v1/connections", routes.listed),
        ("POST", "/api/v1/connections", routes.add),
        ("POST", "/api/v1/connections/health", routes.check_all),
        ("GET", "/api/v1/connections/{name}", routes.show),
        ("PATCH", "/api/v1/connections/{name}", routes.update),
        ("DELETE", "/api/v1/connections/{name}", routes.remove),
        ("POST", "/api/v1/connections/{name}/toggle", routes.toggle),
        ("POST", "/api/v1/connections/{name}/health", routes.check),
        ("GET", "/api/v1/connections/{name}/models", routes.models),
        ("PUT", "/api/v1/connections/{name}/models", routes.select),
    ]


class _Connections:
    def __init__(self, context: Context):
        self._connections = context.connections

    async def listed(self, request: Request) -> Response:
        return answer([_info(entry) for entry in self._connections.all()])

    async def show(self, request: Request) -> Response:
        return answer(_in_full(self._connections.get(request.path_params["name"])))

    async def add(self, request: Request) -> Response:
        wanted = await read(request, ConnectionWanted)
        fields = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
        secret, force = fields.pop("secret"), fields.pop("force")
        connection = Connection(**fields)
        adding = self._connections.add(connection, Secret(secret) if secret else None, force=force)
        return answer(_in_full(await _while_there(request, adding)), 201)

    async def update(self, request: Request) -> Response:
        wanted = await read(request, ConnectionSettings)
        changes = {
            name: value
            for name in wanted.__struct_fields__
            if (value := getattr(wanted, name)) is not msgspec.UNSET
        }
        force, text = changes.pop("force"), changes.pop("secret", msgspec.UNSET)
        secret = Secret(text) if isinstance(text, str) else text
        name = request.path_params["name"]
        updating = self._connections.update(name, changes, secret, force=force)
        return answer(_in_full(await _while_there(request, updating)))

    async def remove(self, request: Request) -> Response:
        await self._connections.remove(request.path_params["name"])
        return answer(None)

    async def toggle(self, request: Request) -> Response:
        wanted = await read(request, Toggle)
        return answer(_info(self._connections.toggle(request.path_params["name"], wanted.enabled)))

    async def check(self, request: Request) -> Response:
        name = request.path_params["name"]
        await self._connections.try_out(name)
        return answer(_in_full(self._connections.get(name)))

    async def check_all(self, request: Request) -> Response:
        await self._connections.try_all()
        return answer([_in_full(entry) for entry in self._connections.all()])

    async def models(self, request: Request) -> Response:
        return answer(_models(self._connections.get(request.path_params["name"])))

    async def select(self, request: Request) -> Response:
        wanted = await read(request, Selection)
        return answer(_models(self._connections.select(request.path_params["name"], wanted.models)))


async def _while_there(request: Request, work: Coroutine[Any, Any, Connected]) -> Connected:
    """``work``, given up when whoever asked for it goes away: an interrupted cell changes nothing later."""
    job = asyncio.ensure_future(work)
    request.scope[GONE] = job.cancel
    try:
        return await job
    except asyncio.CancelledError:
        if GONE in request.scope:  # the node stops
            job.cancel()
            raise
        raise Unavailable("Given up: whoever asked for it went away.") from None
    finally:
        request.scope.pop(GONE, None)


def _info(entry: Connected) -> ConnectionInfo:
    connection, state, native = entry.connection, entry.state, entry.way.native
    slots, slots_from = entry.side_by_side
    return ConnectionInfo(
        name=connection.name,
        type=cast(ConnectionType, connection.type),
        url=connection.url,
        enabled=connection.enabled,
        in_routing=connection.in_routing,
        health=state.state,
        reason=state.reason,
        error=state.error,
        latency=state.latency,
        models=sorted(offer.model for offer in entry.offered),
        listed=len(entry.way.found),
        selected=connection.models,
        native=None if native is None else sorted(native),
        dialects=None if native is None else sorted(answerable(native)),
        key=entry.source,
        key_env=connection.key_env,
        domain=connection.domain,
        version=connection.version,
        priority=connection.priority,
        weight=connection.weight,
        slots=slots,
        slots_from=slots_from,
        share=connection.share,
    )


def _in_full(entry: Connected) -> ConnectionInfo:
    info = _info(entry)
    since = time.time() - time.monotonic()
    info.history = [
        Turn(at=since + change.at, state=change.state, reason=change.reason) for change in entry.state.history
    ]
    info.hops = entry.trial.hops if entry.trial is not None else []
    return info


def _models(entry: Connected) -> list[ConnectionModel]:
    wanted = entry.connection.models
    listed = {found.id: found.context_length for found in entry.way.found}
    listed |= {model: None for model in wanted or () if model not in listed}
    return [
        ConnectionModel(id=id, selected=wanted is None or id in wanted, context_length=length)
        for id, length in sorted(listed.items())
    ]
