"""Every route but the hot path: models, management, health, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route, Router

from ..engines.describe import describe, describe_all
from ..engines.starters import STARTERS
from ..errors import Forbidden, MethodNotAllowed, NotFound
from ..http1 import Incoming
from ..wire import Drain, JoinInfo, JoinRequest, LoadRequest, ModelInfo, PullRequest, UnloadRequest
from . import apikeys, chains, connections, decisions, nodes, stats, topology
from .callers import manager
from .catalogue import as_anthropic, list_models, show_model
from .context import Context
from .guard import bearer, check_admin, check_key, is_local
from .jobs import sse, stream
from .messages import answer, number, read
from .metrics import exposition
from .roads import meant

Handler = Callable[[Request], Awaitable[Response]]

PEERS_MAY = frozenset({"/api/v1/models/load", "/api/v1/models/unload", "/api/v1/models/pull"})
ANTHROPIC = "anthropic-version"
"""A header that every client of Anthropic's API sends."""
KNOWN = "bago.known"
"""Key of the scope under which stands what is called once a client has shown its right."""
LOG_TAIL = 1024 * 1024
"""Bytes at the end of the log file that are looked at."""


def routes(context: Context, *, trusted: bool = False) -> Router:
    """The router of one node's routes; it raises :class:`BagoError` for whoever calls it to render.

    ``trusted``: only the management routes that a peer may be allowed, for callers that were checked.
    """
    public = _Public(context)
    admin = _Admin(context)
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/", public.root),
        ("GET", "/health", public.health),
        ("GET", "/metrics", public.metrics),
        ("GET", "/v1/models", public.models),
        ("GET", "/v1/models/{id:path}", public.model),
        ("GET", "/api/v1/status", admin.status),
        ("GET", "/api/v1/models", admin.models),
        ("DELETE", "/api/v1/models", admin.remove),
        ("GET", "/api/v1/models/slots", admin.slots),
        ("POST", "/api/v1/models/load", admin.load),
        ("POST", "/api/v1/models/unload", admin.unload),
        ("POST", "/api/v1/models/pull", admin.pull),
        ("POST", "/api/v1/models/join", admin.join),
        ("GET", "/api/v1/pulls", admin.pulls),
        ("DELETE", "/api/v1/pulls/{id}", admin.cancel_pull),
        ("GET", "/api/v1/log", admin.log),
        ("GET", "/api/v1/events", admin.events),
        ("POST", "/api/v1/drain", admin.drain),
        ("POST", "/api/v1/shutdown", admin.shutdown),
    ]

    table += decisions.table(context)
    table += nodes.table(context)
    table += connections.table(context)
    table += apikeys.table(context)
    table += chains.table(context)
    table += stats.table(context)
    table += topology.table(context)
    if trusted:
        table = [row for row in table if row[1] in PEERS_MAY]

    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        anthropic = any(name == ANTHROPIC.encode() for name, _ in scope["headers"])
        raise no_road(context, scope["method"], scope["raw_path"], anthropic=anthropic)

    return Router(
        [
            Route(path, handler if trusted else _checked(context, path, handler), methods=[method])
            for method, path, handler in table
        ],
        default=nothing,
        redirect_slashes=False,
    )


def no_road(context: Context, method: str, path: bytes, *, anthropic: bool) -> NotFound:
    """The error for a route that there is not, with the one that was meant. Anthropic's clients put the
    ``/v1`` behind their base URL themselves."""
    shown, right = path.decode("latin-1"), meant(path)
    if right is not None:
        url = context.status().url
        if anthropic or right.startswith(b"/v1/messages"):
            url = url.removesuffix("/v1")
        return NotFound(f"There is no route {shown}, but {right.decode()}: the base URL is {url}.")
    return NotFound(f"There is no route {method} {shown}; models are at /v1/models.")


def check_road(router: Router, context: Context, incoming: Incoming, path: bytes) -> None:
    """Whether a request leads anywhere, before its body is read. Raises :class:`NotFound` or
    :class:`MethodNotAllowed`."""
    method = incoming.method.decode("latin-1")
    scope = {"type": "http", "path": path.decode("latin-1"), "method": method, "root_path": ""}
    partial: set[str] = set()
    for route in router.routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            return
        if match is Match.PARTIAL and isinstance(route, Route):
            partial |= route.methods or set()
    if partial:
        raise MethodNotAllowed(f"{scope['path']} is not for {method}.", allow=", ".join(sorted(partial)))
    raise no_road(context, method, path, anthropic=ANTHROPIC.encode() in incoming.first)


def _checked(context: Context, path: str, handler: Handler) -> Handler:
    async def guarded(request: Request) -> Response:
        presented = bearer(request.headers.get("authorization", "").encode("latin-1"))
        if path.startswith("/api/"):
            check_admin(presented, context.admin_token)
        elif path.startswith("/v1/") and context.api_keys.name_of(_key_of(request)) is not None:
            pass
        elif not is_local(request.scope) and path != "/health":
            check_key(_key_of(request), context.settings.api_key)
        elif path.startswith("/v1/") and context.settings.api_key is not None:
            check_key(_key_of(request), context.settings.api_key, context.admin_token)
        if path != "/health":
            request.scope[KNOWN]()
        return await handler(request)

    return guarded


class _Public:
    def __init__(self, context: Context):
        self._context = context

    async def root(self, request: Request) -> Response:
        name = self._context.status().name
        return Response(f"bago node {name}: OpenAI API at /v1\n", media_type="text/plain")

    async def health(self, request: Request) -> Response:
        return answer({"status": "ok", "service": "bago"})

    async def metrics(self, request: Request) -> Response:
        text, kind = await exposition(self._context, request.headers.get("accept", ""))
        return Response(text, headers={"content-type": kind, "vary": "accept"})

    async def models(self, request: Request) -> Response:
        listed = list_models(self._context.dispatcher.table, self._since)
        return answer(as_anthropic(listed) if ANTHROPIC in request.headers else listed)

    async def model(self, request: Request) -> Response:
        shown = show_model(self._context.dispatcher.table, request.path_params["id"], self._since)
        return answer(as_anthropic(shown) if ANTHROPIC in request.headers else shown)

    @property
    def _since(self) -> int:
        return int(self._context.status().started_at)


class _Admin:
    def __init__(self, context: Context):
        self._context = context

    async def status(self, request: Request) -> Response:
        await self._context.meter.fresh()
        return answer(self._context.status())

    async def models(self, request: Request) -> Response:
        return answer(describe_all(self._context.library, self._context.runners, self._name))

    async def remove(self, request: Request) -> Response:
        model, library = request.query_params.get("model", ""), self._context.library
        if model not in library.broken:
            model = library.get(model).id
        await self._context.runners.unload(model)
        await library.remove(model)
        return answer(None)

    async def slots(self, request: Request) -> Response:
        model = self._context.library.get(request.query_params.get("model", ""))
        return answer(await self._context.local.slots(model.id))

    async def load(self, request: Request) -> Response:
        wanted = await read(request, LoadRequest)
        model = self._context.library.get(wanted.model)

        async def job(progress: Any) -> ModelInfo:
            await self._context.runners.ensure(
                model,
                wanted.task,
                context_length=wanted.context_length,
                gpu_layers=wanted.gpu_layers,
                slots=wanted.slots,
                progress=progress,
            )
            return self._describe(wanted.model)

        return stream(job)

    async def unload(self, request: Request) -> Response:
        wanted = await read(request, UnloadRequest)
        model = self._context.library.get(wanted.model)
        await self._context.runners.unload(model.id)
        return answer(self._describe(model.id))

    async def pull(self, request: Request) -> Response:
        wanted = await read(request, PullRequest)
        by_peer = request.scope["scheme"] == "https"
        if by_peer and not _public(wanted.source):
            raise Forbidden("A peer can have this node pull a starter, a URL or hf:org/repo/file, no path.")
        library = self._context.library
        by = self._context.mesh.naming.caller(manager(request.scope))

        async def job(progress: Any) -> ModelInfo:
            id = await self._context.pulls.run(wanted, by, progress, by_peer=by_peer)
            await library.rescan()
            return self._describe(id)

        return stream(job)

    async def join(self, request: Request) -> Response:
        wanted = await read(request, JoinRequest)
        dispatcher, joined = self._context.dispatcher, self._context.joined
        digests = joined.join(wanted.model, wanted.digests, dispatcher.table)
        dispatcher.weights.joined = joined.all()
        dispatcher.refresh()
        return answer(JoinInfo(model=wanted.model, digests=list(digests)))

    async def pulls(self, request: Request) -> Response:
        return answer(self._context.pulls.all())

    async def cancel_pull(self, request: Request) -> Response:
        self._context.pulls.cancel(request.path_params["id"])
        return answer(None)

    async def log(self, request: Request) -> Response:
        lines = number(request.query_params.get("lines"), 50)
        return answer(await asyncio.to_thread(_tail, self._context, lines))

    async def events(self, request: Request) -> Response:
        bus = self._context.bus

        async def body() -> AsyncIterator[bytes]:
            with bus.subscription() as queue:
                yield b": here they come\n\n"
                while True:
                    yield sse(await queue.get())

        return StreamingResponse(body(), media_type="text/event-stream")

    async def drain(self, request: Request) -> Response:
        await self._context.drain((await read(request, Drain)).on)
        return answer(self._context.status())

    async def shutdown(self, request: Request) -> Response:
        self._context.shut_down()
        return answer(None)

    @property
    def _name(self) -> str:
        return self._context.status().name

    def _describe(self, id: str) -> ModelInfo:
        return describe(self._context.library, self._context.runners, self._name, id)


def _key_of(request: Request) -> bytes:
    authorization = request.headers.get("authorization", "").encode("latin-1")
    return bearer(authorization) or request.headers.get("x-api-key", "").encode("latin-1")


def _public(source: str) -> bool:
    """Whether a source of a pull is none of this machine's own files."""
    return source in STARTERS or source.startswith(("https://", "http://", "hf:"))


def _tail(context: Context, count: int) -> Iterable[str]:
    try:
        with context.home.log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_TAIL))
            return file.read().decode("utf-8", "replace").splitlines()[-count:] if count else []
    except FileNotFoundError:
        return []
