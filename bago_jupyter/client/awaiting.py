"""The client for ``await``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from .. import errors
from ..events import AnyEvent
from ..wire import (
    ApiKeyInfo,
    ConnectionInfo,
    ConnectionModel,
    ConnectionSettings,
    ConnectionWanted,
    Decision,
    JobEvent,
    JoinInfo,
    KeyInfo,
    KeyWanted,
    LoadRequest,
    ModelInfo,
    ModelSharing,
    NodeFile,
    NodeInfo,
    NodeSettings,
    Ping,
    PullInfo,
    PullRequest,
    RequestInfo,
    RouteInfo,
    SlotInfo,
    StatsRow,
    StatsSeries,
    Status,
    Topology,
)
from .answers import NodeEvents, OnProgress, cut, decode, encode, job_event, pick, pick_anywhere, reachable
from .base import STREAM, Base
from .calls import Call, Calls, T
from .reply import Reply


class AsyncNodeClient(Base):
    """The same for ``await``. Belongs to the loop that uses it."""

    def __init__(self, node: NodeFile, *, caller: str | None = None):
        super().__init__(node, caller)
        self._http = httpx.AsyncClient(**self._options())

    async def status(self) -> Status:
        return await self._call(Calls.status())

    async def models(self) -> list[ModelInfo]:
        return await self._call(Calls.models())

    async def load(
        self, model: str, *, on: str | None = None, on_progress: OnProgress | None = None, **options: Any
    ) -> ModelInfo:
        return await self._job(Calls.load(LoadRequest(model=model, **options), on), on_progress)

    async def slots(self, model: str) -> list[SlotInfo]:
        return await self._call(Calls.slots(model))

    async def unload(self, model: str, *, on: str | None = None) -> ModelInfo:
        return await self._call(Calls.unload(model, on))

    async def pull(
        self,
        source: str,
        *,
        name: str | None = None,
        sha256: str | None = None,
        on: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> ModelInfo:
        request = PullRequest(source=source, name=name, sha256=sha256)
        return await self._job(Calls.pull(request, on), on_progress)

    async def pulls(self) -> list[PullInfo]:
        return await self._call(Calls.pulls())

    async def cancel_pull(self, id: str) -> None:
        await self._call(Calls.cancel_pull(id))

    async def remove(self, model: str) -> None:
        await self._call(Calls.remove(model))

    async def nodes(self) -> list[NodeInfo]:
        return await self._call(Calls.nodes())

    async def discovered(self) -> list[NodeInfo]:
        return await self._call(Calls.discovered())

    async def paired(self, node: str) -> NodeInfo:
        return await self._call(Calls.node(node))

    async def change_node(self, node: str, **changes: Any) -> NodeInfo:
        return await self._call(Calls.change_node(node, NodeSettings(**changes)))

    async def remove_node(self, node: str) -> None:
        await self._call(Calls.remove_node(node))

    async def ping(self, node: str) -> Ping:
        return await self._call(Calls.ping(node))

    async def connections(self) -> list[ConnectionInfo]:
        return await self._call(Calls.connections())

    async def connection(self, name: str) -> ConnectionInfo:
        return await self._call(Calls.connection(name))

    async def add_connection(self, name: str, **options: Any) -> ConnectionInfo:
        return await self._call(Calls.add_connection(ConnectionWanted(name=name, **options)))

    async def change_connection(self, name: str, **changes: Any) -> ConnectionInfo:
        return await self._call(Calls.change_connection(name, ConnectionSettings(**changes)))

    async def remove_connection(self, name: str) -> None:
        await self._call(Calls.remove_connection(name))

    async def toggle_connection(self, name: str, enabled: bool | None = None) -> ConnectionInfo:
        return await self._call(Calls.toggle_connection(name, enabled))

    async def check_connection(self, name: str) -> ConnectionInfo:
        return await self._call(Calls.check_connection(name))

    async def check_connections(self) -> list[ConnectionInfo]:
        return await self._call(Calls.check_connections())

    async def connection_models(self, name: str) -> list[ConnectionModel]:
        return await self._call(Calls.connection_models(name))

    async def select_models(self, name: str, models: list[str] | None) -> list[ConnectionModel]:
        return await self._call(Calls.select_models(name, models))

    async def keys(self) -> list[KeyInfo]:
        return await self._call(Calls.keys())

    async def make_key(self, **options: Any) -> KeyInfo:
        return await self._call(Calls.make_key(KeyWanted(**options)))

    async def revoke_key(self, id: str) -> KeyInfo:
        return await self._call(Calls.revoke_key(id))

    async def connect(self, key: str) -> NodeInfo:
        return await self._call(Calls.connect(key))

    async def requests(self) -> list[RequestInfo]:
        return await self._call(Calls.requests())

    async def request(self, node: str) -> RequestInfo:
        return await self._call(Calls.request(node))

    async def decide(self, request: str, decision: str) -> RequestInfo:
        return await self._call(Calls.decide(request, decision))

    async def sharing(self) -> list[ModelSharing]:
        return await self._call(Calls.sharing())

    async def share(self, model: str, shared: bool) -> None:
        await self._call(Calls.share(model, shared))

    async def api_keys(self) -> list[ApiKeyInfo]:
        return await self._call(Calls.api_keys())

    async def add_api_key(self, name: str) -> ApiKeyInfo:
        return await self._call(Calls.add_api_key(name))

    async def remove_api_key(self, name: str) -> None:
        await self._call(Calls.remove_api_key(name))

    async def routes(self) -> list[RouteInfo]:
        return await self._call(Calls.routes())

    async def join(self, model: str, digests: Sequence[str] = ()) -> JoinInfo:
        return await self._call(Calls.join(model, digests))

    async def set_route(self, name: str, targets: Sequence[str]) -> RouteInfo:
        return await self._call(Calls.set_route(name, targets))

    async def remove_route(self, name: str) -> None:
        await self._call(Calls.remove_route(name))

    async def stats(self, by: Sequence[str] = ("model", "node"), since: float = 86400.0) -> list[StatsRow]:
        return await self._call(Calls.stats(by, since))

    async def series(
        self, by: Sequence[str] = (), since: float = 86400.0, points: int = 60
    ) -> list[StatsSeries]:
        return await self._call(Calls.series(by, since, points))

    async def topology(self) -> Topology:
        return await self._call(Calls.topology())

    async def settings(self) -> dict[str, Any]:
        return await self._call(Calls.settings())

    async def configure(self, **changes: Any) -> dict[str, Any]:
        return await self._call(Calls.configure(changes))

    async def decisions(self, limit: int = 20) -> list[Decision]:
        return await self._call(Calls.decisions(limit))

    async def why(self, id: str | None = None) -> Decision:
        return await self._call(Calls.why(id))

    async def log(self, lines: int = 50) -> list[str]:
        return await self._call(Calls.log(lines))

    async def drain(self, on: bool = True) -> Status:
        """Take no new requests for the models of this node, or take them again."""
        return await self._call(Calls.drain(on))

    async def shutdown(self) -> None:
        await self._call(Calls.shutdown())

    async def default_model(self) -> str:
        return pick(await self.models()) or pick_anywhere(await self._call(Calls.offered()))

    @asynccontextmanager
    async def chat(
        self, messages: list[dict[str, Any]], *, model: str | None = None, **options: Any
    ) -> AsyncIterator[tuple[Reply, AsyncIterator[str]]]:
        call = Calls.chat(messages, model or await self.default_model(), options)
        async with self._stream(call) as response:
            reply = Reply(response.headers)
            yield reply, _pieces(reply, response)

    async def events(self, on_open: Callable[[], None] | None = None) -> AsyncIterator[AnyEvent]:
        """Everything that happens in the node from now on; none is missed once ``on_open`` was called."""
        async with self._stream(Calls.events()) as response:
            events: NodeEvents[AnyEvent] = NodeEvents(response, AnyEvent)
            async for chunk in response.aiter_bytes():
                for event in events.read(chunk):
                    if event is not None:
                        yield event
                    elif on_open is not None:
                        on_open()

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncNodeClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(self, call: Call[T]) -> T:
        with reachable(self.url, self._http):
            response = await self._http.request(
                call.method, call.path, content=encode(call.body), params=call.params
            )
        return decode(response, call.type)

    @asynccontextmanager
    async def _stream(self, call: Call[Any]) -> AsyncIterator[httpx.Response]:
        with reachable(self.url, self._http):
            async with self._http.stream(
                call.method, call.path, content=encode(call.body), timeout=STREAM
            ) as response:
                if response.status_code >= 400:
                    await response.aread()
                    decode(response, bytes)
                yield response

    async def _job(self, call: Call[JobEvent], on_progress: OnProgress | None) -> ModelInfo:
        async with self._stream(call) as response:
            events: NodeEvents[JobEvent] = NodeEvents(response, JobEvent)
            async for chunk in response.aiter_bytes():
                for event in events.read(chunk):
                    if event is not None and (model := job_event(event, on_progress)):
                        return model
        raise errors.NodeUnreachable("The node went away before the job was done.")


async def _pieces(reply: Reply, response: httpx.Response) -> AsyncIterator[str]:
    try:
        async for chunk in response.aiter_bytes():
            for new in reply.read(chunk):
                yield new
            if reply.over:
                break
    except httpx.HTTPError as error:
        if not reply.complete:
            raise cut(error) from None
    for new in reply.end():
        yield new
