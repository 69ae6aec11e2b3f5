"""Clients of a node's own HTTP API: what every face (magic, widget, CLI, runbook) talks through.

:class:`NodeClient` is synchronous and thread-safe; :class:`AsyncNodeClient` belongs to the loop
that uses it. Both raise :class:`~bago_jupyter.errors.BagoError` with the node's own sentence.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from . import errors
from .events import AnyEvent
from .wire import (
    ConnectRequest,
    Decision,
    JobEvent,
    KeyInfo,
    KeyWanted,
    LoadRequest,
    ModelInfo,
    NodeFile,
    NodeInfo,
    NodeSettings,
    Ping,
    Progress,
    PullRequest,
    RequestInfo,
    RequestWanted,
    SharingWanted,
    SlotInfo,
    Status,
    UnloadRequest,
)

T = TypeVar("T")
OnProgress = Callable[[Progress], None]

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
ALIVE_TIMEOUT = 2.0
_STREAM = httpx.Timeout(CONNECT_TIMEOUT, read=None)


class _Call(NamedTuple, Generic[T]):
    """One request of the management API and the type of its answer."""

    method: str
    path: str
    type: type[T]
    body: msgspec.Struct | dict[str, Any] | None = None
    params: dict[str, Any] | None = None


class _Calls:
    """The management API as data, shared by both clients."""

    @staticmethod
    def status() -> _Call[Status]:
        return _Call("GET", "/api/v1/status", Status)

    @staticmethod
    def models() -> _Call[list[ModelInfo]]:
        return _Call("GET", "/api/v1/models", list[ModelInfo])

    @staticmethod
    def slots(model: str) -> _Call[list[SlotInfo]]:
        return _Call("GET", "/api/v1/models/slots", list[SlotInfo], params={"model": model})

    @staticmethod
    def unload(model: str, on: str | None = None) -> _Call[ModelInfo]:
        return _Call("POST", _models(on, "unload"), ModelInfo, UnloadRequest(model=model))

    @staticmethod
    def remove(model: str) -> _Call[None]:
        return _Call("DELETE", "/api/v1/models", type(None), params={"model": model})

    @staticmethod
    def decisions(limit: int) -> _Call[list[Decision]]:
        return _Call("GET", "/api/v1/decisions", list[Decision], params={"limit": limit})

    @staticmethod
    def why(id: str | None) -> _Call[Decision]:
        return _Call("GET", f"/api/v1/decisions/{quote(id or 'latest', safe='')}", Decision)

    @staticmethod
    def log(lines: int) -> _Call[list[str]]:
        return _Call("GET", "/api/v1/log", list[str], params={"lines": lines})

    @staticmethod
    def shutdown() -> _Call[None]:
        return _Call("POST", "/api/v1/shutdown", type(None))

    @staticmethod
    def load(request: LoadRequest, on: str | None = None) -> _Call[JobEvent]:
        return _Call("POST", _models(on, "load"), JobEvent, request)

    @staticmethod
    def pull(request: PullRequest, on: str | None = None) -> _Call[JobEvent]:
        return _Call("POST", _models(on, "pull"), JobEvent, request)

    @staticmethod
    def nodes() -> _Call[list[NodeInfo]]:
        return _Call("GET", "/api/v1/nodes", list[NodeInfo])

    @staticmethod
    def discovered() -> _Call[list[NodeInfo]]:
        return _Call("GET", "/api/v1/nodes/discovered", list[NodeInfo])

    @staticmethod
    def node(node: str) -> _Call[NodeInfo]:
        return _Call("GET", f"/api/v1/nodes/{quote(node, safe='')}", NodeInfo)

    @staticmethod
    def change_node(node: str, changes: NodeSettings) -> _Call[NodeInfo]:
        return _Call("PATCH", f"/api/v1/nodes/{quote(node, safe='')}", NodeInfo, changes)

    @staticmethod
    def remove_node(node: str) -> _Call[None]:
        return _Call("DELETE", f"/api/v1/nodes/{quote(node, safe='')}", type(None))

    @staticmethod
    def ping(node: str) -> _Call[Ping]:
        return _Call("POST", f"/api/v1/nodes/{quote(node, safe='')}/ping", Ping)

    @staticmethod
    def keys() -> _Call[list[KeyInfo]]:
        return _Call("GET", "/api/v1/keys", list[KeyInfo])

    @staticmethod
    def make_key(wanted: KeyWanted) -> _Call[KeyInfo]:
        return _Call("POST", "/api/v1/keys", KeyInfo, wanted)

    @staticmethod
    def revoke_key(id: str) -> _Call[KeyInfo]:
        return _Call("DELETE", f"/api/v1/keys/{quote(id, safe='')}", KeyInfo)

    @staticmethod
    def connect(key: str) -> _Call[NodeInfo]:
        return _Call("POST", "/api/v1/connect", NodeInfo, ConnectRequest(key=key))

    @staticmethod
    def requests() -> _Call[list[RequestInfo]]:
        return _Call("GET", "/api/v1/requests", list[RequestInfo])

    @staticmethod
    def request(node: str) -> _Call[RequestInfo]:
        return _Call("POST", "/api/v1/requests", RequestInfo, RequestWanted(node=node))

    @staticmethod
    def decide(request: str, decision: str) -> _Call[RequestInfo]:
        return _Call("POST", f"/api/v1/requests/{quote(request, safe='')}/{decision}", RequestInfo)

    @staticmethod
    def share(model: str, shared: bool) -> _Call[None]:
        return _Call("POST", "/api/v1/sharing", type(None), SharingWanted(model=model, shared=shared))

    @staticmethod
    def settings() -> _Call[dict[str, Any]]:
        return _Call("GET", "/api/v1/settings", dict[str, Any])

    @staticmethod
    def configure(changes: dict[str, Any]) -> _Call[dict[str, Any]]:
        return _Call("PATCH", "/api/v1/settings", dict[str, Any], changes)

    @staticmethod
    def events() -> _Call[AnyEvent]:
        return _Call("GET", "/api/v1/events", AnyEvent)  # type: ignore[arg-type]

    @staticmethod
    def chat(messages: list[dict[str, Any]], model: str, options: dict[str, Any]) -> _Call[bytes]:
        body = {"model": model, "messages": messages, "stream": True}
        body["stream_options"] = {"include_usage": True}
        body.update({k: v for k, v in options.items() if v is not None})
        return _Call("POST", "/v1/chat/completions", bytes, body)


class Reply:
    """What has arrived of a streamed chat answer; complete once the iteration ends."""

    def __init__(self, headers: httpx.Headers):
        self.text = ""
        self.reasoning = ""
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.timings: dict[str, Any] | None = None
        self.request_id = headers.get("x-request-id")
        self.node = headers.get("x-bago-node")
        self.attempts = headers.get("x-bago-attempts")

    def _feed(self, data: str) -> str:
        """Take one SSE data line; return the new text of the answer."""
        if data == "[DONE]":
            return ""
        event = json.loads(data)
        if "error" in event:
            raise _error(event["error"])
        self.usage = event.get("usage") or self.usage
        self.timings = event.get("timings") or self.timings
        new = ""
        for choice in event.get("choices", ()):
            delta = choice.get("delta") or {}
            new += delta.get("content") or ""
            self.reasoning += delta.get("reasoning_content") or ""
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self.text += new
        return new


class _Base:
    """Address and keys of a node; what both clients have in common."""

    def __init__(self, node: NodeFile):
        self._node = node
        self.url = f"http://{node.host}:{node.port}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url})"

    @property
    def base_url(self) -> str:
        """``base_url`` for OpenAI clients."""
        return self.url + "/v1"

    @property
    def api_key(self) -> str:
        """``api_key`` for OpenAI clients; any text does where the node asks for none."""
        return self._node.api_key or "none-needed"

    @property
    def pid(self) -> int:
        return self._node.pid

    @property
    def node(self) -> NodeFile:
        """What this client was told about its node; it holds the keys, so keep it out of outputs."""
        return self._node

    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self.url,
            "headers": {"authorization": f"Bearer {self._node.admin_token}"},
            "timeout": httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
            "trust_env": False,  # a proxy of the environment must not see loopback
            "verify": False,  # it is plain HTTP, and making a TLS context takes 50 ms
        }


class NodeClient(_Base):
    """Synchronous client. Thread-safe. An interrupt closes the socket, which frees the slot."""

    def __init__(self, node: NodeFile, *, transport: httpx.BaseTransport | None = None):
        super().__init__(node)
        self._http = httpx.Client(transport=transport, **self._options())

    def alive(self) -> bool:
        """Whether the node answers, within 2 s."""
        try:
            response = self._http.get("/api/v1/status", timeout=ALIVE_TIMEOUT)
            return _decode(response, Status) is not None
        except (httpx.HTTPError, errors.BagoError, RuntimeError):
            return False

    def status(self) -> Status:
        """The node's state, for the status card."""
        return self._call(_Calls.status())

    def models(self) -> list[ModelInfo]:
        """Every model of the library, with its runners."""
        return self._call(_Calls.models())

    def load(
        self, model: str, *, on: str | None = None, on_progress: OnProgress | None = None, **options: Any
    ) -> ModelInfo:
        """Load ``model`` here or ``on`` a paired node; ``options`` are fields of
        :class:`~bago_jupyter.wire.LoadRequest`."""
        return self._job(_Calls.load(LoadRequest(model=model, **options), on), on_progress)

    def slots(self, model: str) -> list[SlotInfo]:
        """The slots of every runner of ``model``, and which are at work."""
        return self._call(_Calls.slots(model))

    def unload(self, model: str, *, on: str | None = None) -> ModelInfo:
        """Unload every runner of ``model``."""
        return self._call(_Calls.unload(model, on))

    def pull(
        self,
        source: str,
        *,
        name: str | None = None,
        sha256: str | None = None,
        on: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> ModelInfo:
        """Bring a model into the library; an interrupt keeps what arrived for the next try."""
        request = PullRequest(source=source, name=name, sha256=sha256)
        return self._job(_Calls.pull(request, on), on_progress)

    def remove(self, model: str) -> None:
        """Delete ``model`` from the library."""
        self._call(_Calls.remove(model))

    def nodes(self) -> list[NodeInfo]:
        """The paired nodes."""
        return self._call(_Calls.nodes())

    def discovered(self) -> list[NodeInfo]:
        """The nodes that announce themselves on the network, paired or not."""
        return self._call(_Calls.discovered())

    def paired(self, node: str) -> NodeInfo:
        """One paired node, with its history. ``node`` is a name or the first digits of a fingerprint."""
        return self._call(_Calls.node(node))

    def change_node(self, node: str, **changes: Any) -> NodeInfo:
        """Change the settings of a paired node, the fields of :class:`~bago_jupyter.wire.NodeSettings`."""
        return self._call(_Calls.change_node(node, NodeSettings(**changes)))

    def remove_node(self, node: str) -> None:
        """Remove a paired node: it is told, and cut off."""
        self._call(_Calls.remove_node(node))

    def ping(self, node: str) -> Ping:
        """Probe a paired node now."""
        return self._call(_Calls.ping(node))

    def keys(self) -> list[KeyInfo]:
        """The connection keys that were given out."""
        return self._call(_Calls.keys())

    def make_key(self, **options: Any) -> KeyInfo:
        """A new connection key; ``options`` are the fields of :class:`~bago_jupyter.wire.KeyWanted`."""
        return self._call(_Calls.make_key(KeyWanted(**options)))

    def revoke_key(self, id: str) -> KeyInfo:
        """Make a connection key useless."""
        return self._call(_Calls.revoke_key(id))

    def connect(self, key: str) -> NodeInfo:
        """Pair with the node that made ``key``."""
        return self._call(_Calls.connect(key))

    def requests(self) -> list[RequestInfo]:
        """Requests for a connection, of others and of this node."""
        return self._call(_Calls.requests())

    def request(self, node: str) -> RequestInfo:
        """Ask a discovered node for a connection."""
        return self._call(_Calls.request(node))

    def decide(self, request: str, decision: str) -> RequestInfo:
        """``approve`` or ``refuse`` a request of another node, ``confirm`` or ``cancel`` one of this node."""
        return self._call(_Calls.decide(request, decision))

    def share(self, model: str, shared: bool) -> None:
        """Whether peers may use a model of this node."""
        self._call(_Calls.share(model, shared))

    def settings(self) -> dict[str, Any]:
        """The settings; of secrets only whether they are set."""
        return self._call(_Calls.settings())

    def configure(self, **changes: Any) -> dict[str, Any]:
        """Change settings live, and keep them."""
        return self._call(_Calls.configure(changes))

    def decisions(self, limit: int = 20) -> list[Decision]:
        """The newest decisions first."""
        return self._call(_Calls.decisions(limit))

    def why(self, id: str | None = None) -> Decision:
        """Why request ``id`` (or the newest) went where it went."""
        return self._call(_Calls.why(id))

    def log(self, lines: int = 50) -> list[str]:
        """The last lines of the node's log."""
        return self._call(_Calls.log(lines))

    def shutdown(self) -> None:
        """Stop the node."""
        self._call(_Calls.shutdown())

    def default_model(self) -> str:
        """The model that a chat uses when none is named: a loaded one, else the first that can chat."""
        return _pick(self.models())

    @contextmanager
    def chat(
        self, messages: list[dict[str, Any]], *, model: str | None = None, **options: Any
    ) -> Iterator[tuple[Reply, Iterator[str]]]:
        """Stream a chat completion: ``with node.chat(...) as (reply, pieces): for piece in pieces: ...``.

        Leaving the block early closes the connection, and with it the generation.
        """
        call = _Calls.chat(messages, model or self.default_model(), options)
        with self._stream(call) as response:
            reply = Reply(response.headers)
            yield reply, (new for data in _sse(response) if (new := reply._feed(data)))

    def events(self) -> Iterator[AnyEvent]:
        """Everything that happens in the node from now on."""
        with self._stream(_Calls.events()) as response:
            for data in _sse(response):
                yield msgspec.json.decode(data, type=AnyEvent)

    def close(self) -> None:
        """Close the connections; the node goes on."""
        self._http.close()

    def __enter__(self) -> NodeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, call: _Call[T]) -> T:
        with _reachable(self.url):
            response = self._http.request(
                call.method, call.path, content=_encode(call.body), params=call.params
            )
        return _decode(response, call.type)

    @contextmanager
    def _stream(self, call: _Call[Any]) -> Iterator[httpx.Response]:
        with (
            _reachable(self.url),
            self._http.stream(
                call.method, call.path, content=_encode(call.body), timeout=_STREAM
            ) as response,
        ):
            if response.status_code >= 400:
                response.read()
                _decode(response, bytes)
            yield response

    def _job(self, call: _Call[JobEvent], on_progress: OnProgress | None) -> ModelInfo:
        with self._stream(call) as response:
            for data in _sse(response):
                if model := _job_event(data, on_progress):
                    return model
        raise errors.NodeUnreachable("The node went away before the job was done.")


class AsyncNodeClient(_Base):
    """The same for ``await``. Belongs to the loop that uses it."""

    def __init__(self, node: NodeFile):
        super().__init__(node)
        self._http = httpx.AsyncClient(**self._options())

    async def status(self) -> Status:
        return await self._call(_Calls.status())

    async def models(self) -> list[ModelInfo]:
        return await self._call(_Calls.models())

    async def load(
        self, model: str, *, on: str | None = None, on_progress: OnProgress | None = None, **options: Any
    ) -> ModelInfo:
        return await self._job(_Calls.load(LoadRequest(model=model, **options), on), on_progress)

    async def slots(self, model: str) -> list[SlotInfo]:
        return await self._call(_Calls.slots(model))

    async def unload(self, model: str, *, on: str | None = None) -> ModelInfo:
        return await self._call(_Calls.unload(model, on))

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
        return await self._job(_Calls.pull(request, on), on_progress)

    async def remove(self, model: str) -> None:
        await self._call(_Calls.remove(model))

    async def nodes(self) -> list[NodeInfo]:
        return await self._call(_Calls.nodes())

    async def discovered(self) -> list[NodeInfo]:
        return await self._call(_Calls.discovered())

    async def paired(self, node: str) -> NodeInfo:
        return await self._call(_Calls.node(node))

    async def change_node(self, node: str, **changes: Any) -> NodeInfo:
        return await self._call(_Calls.change_node(node, NodeSettings(**changes)))

    async def remove_node(self, node: str) -> None:
        await self._call(_Calls.remove_node(node))

    async def ping(self, node: str) -> Ping:
        return await self._call(_Calls.ping(node))

    async def keys(self) -> list[KeyInfo]:
        return await self._call(_Calls.keys())

    async def make_key(self, **options: Any) -> KeyInfo:
        return await self._call(_Calls.make_key(KeyWanted(**options)))

    async def revoke_key(self, id: str) -> KeyInfo:
        return await self._call(_Calls.revoke_key(id))

    async def connect(self, key: str) -> NodeInfo:
        return await self._call(_Calls.connect(key))

    async def requests(self) -> list[RequestInfo]:
        return await self._call(_Calls.requests())

    async def request(self, node: str) -> RequestInfo:
        return await self._call(_Calls.request(node))

    async def decide(self, request: str, decision: str) -> RequestInfo:
        return await self._call(_Calls.decide(request, decision))

    async def share(self, model: str, shared: bool) -> None:
        await self._call(_Calls.share(model, shared))

    async def settings(self) -> dict[str, Any]:
        return await self._call(_Calls.settings())

    async def configure(self, **changes: Any) -> dict[str, Any]:
        return await self._call(_Calls.configure(changes))

    async def decisions(self, limit: int = 20) -> list[Decision]:
        return await self._call(_Calls.decisions(limit))

    async def why(self, id: str | None = None) -> Decision:
        return await self._call(_Calls.why(id))

    async def log(self, lines: int = 50) -> list[str]:
        return await self._call(_Calls.log(lines))

    async def shutdown(self) -> None:
        await self._call(_Calls.shutdown())

    async def default_model(self) -> str:
        return _pick(await self.models())

    @asynccontextmanager
    async def chat(
        self, messages: list[dict[str, Any]], *, model: str | None = None, **options: Any
    ) -> AsyncIterator[tuple[Reply, AsyncIterator[str]]]:
        call = _Calls.chat(messages, model or await self.default_model(), options)
        async with self._stream(call) as response:
            reply = Reply(response.headers)
            yield reply, (new async for data in _async_sse(response) if (new := reply._feed(data)))

    async def events(self) -> AsyncIterator[AnyEvent]:
        async with self._stream(_Calls.events()) as response:
            async for data in _async_sse(response):
                yield msgspec.json.decode(data, type=AnyEvent)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncNodeClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(self, call: _Call[T]) -> T:
        with _reachable(self.url):
            response = await self._http.request(
                call.method, call.path, content=_encode(call.body), params=call.params
            )
        return _decode(response, call.type)

    @asynccontextmanager
    async def _stream(self, call: _Call[Any]) -> AsyncIterator[httpx.Response]:
        with _reachable(self.url):
            async with self._http.stream(
                call.method, call.path, content=_encode(call.body), timeout=_STREAM
            ) as response:
                if response.status_code >= 400:
                    await response.aread()
                    _decode(response, bytes)
                yield response

    async def _job(self, call: _Call[JobEvent], on_progress: OnProgress | None) -> ModelInfo:
        async with self._stream(call) as response:
            async for data in _async_sse(response):
                if model := _job_event(data, on_progress):
                    return model
        raise errors.NodeUnreachable("The node went away before the job was done.")


def _models(on: str | None, action: str) -> str:
    """The route of an action on models, here or on paired node ``on``."""
    where = f"nodes/{quote(on, safe='')}/" if on else ""
    return f"/api/v1/{where}models/{action}"


def _encode(body: Any) -> bytes | None:
    return None if body is None else msgspec.json.encode(body)


def _decode(response: httpx.Response, type: type[T]) -> T:
    if response.status_code >= 400:
        try:
            failure = json.loads(response.content)["error"]
        except (ValueError, KeyError, TypeError):
            failure = {"message": f"The node answered {response.status_code}."}
        raise _error(failure)
    try:
        return msgspec.json.decode(response.content or b"null", type=type)
    except msgspec.MsgspecError:
        raise errors.NodeUnreachable(f"Something else than a node answers at {response.url.host}.") from None


_BY_CODE = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.BagoError)
}


def _error(failure: dict[str, Any]) -> errors.BagoError:
    kind = _BY_CODE.get(str(failure.get("code")), errors.BagoError)
    return kind(str(failure.get("message", "The node failed.")), param=failure.get("param"))


@contextmanager
def _reachable(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException:
        raise errors.NodeUnreachable(f"The node at {url} does not answer in time.") from None
    except RuntimeError as error:
        if "closed" not in str(error):
            raise
        raise errors.NodeUnreachable("This client was closed; bago.node() gives a new one.") from None
    except httpx.TransportError:
        raise errors.NodeUnreachable(
            f"No node answers at {url}; run %bago up (or bago-jupyter serve)."
        ) from None


def _job_event(data: str, on_progress: OnProgress | None) -> ModelInfo | None:
    event = msgspec.json.decode(data, type=JobEvent)
    if event.error is not None:
        raise _error(msgspec.structs.asdict(event.error))
    if event.progress is not None and on_progress is not None:
        on_progress(event.progress)
    return event.model


def _sse(response: httpx.Response) -> Iterator[str]:
    for line in response.iter_lines():
        if line.startswith("data:"):
            yield line[5:].lstrip()


async def _async_sse(response: httpx.Response) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            yield line[5:].lstrip()


def _pick(models: list[ModelInfo]) -> str:
    chat = [model for model in models if "generate" in model.tasks and model.state != "failed"]
    chat.sort(key=lambda model: (model.state != "ready", model.id))
    if not chat:
        raise errors.ModelNotFound("There is no model yet; run %bago pull smollm2.")
    return chat[0].id
