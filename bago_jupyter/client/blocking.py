"""The synchronous client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from .base import ALIVE_TIMEOUT, STREAM, Base
from .calls import Call, Calls, T
from .reply import Reply


class NodeClient(Base):
    """Synchronous client. Thread-safe. An interrupt closes the socket, which frees the slot."""

    def __init__(
        self, node: NodeFile, *, caller: str | None = None, transport: httpx.BaseTransport | None = None
    ):
        super().__init__(node, caller)
        self._http = httpx.Client(transport=transport, **self._options())

    def alive(self) -> bool:
        """Whether the node answers, within 2 s."""
        try:
            response = self._http.get("/api/v1/status", timeout=ALIVE_TIMEOUT)
            return decode(response, Status) is not None
        except (httpx.HTTPError, errors.BagoError, RuntimeError):
            return False

    def status(self) -> Status:
        """The node's state, for the status card."""
        return self._call(Calls.status())

    def models(self) -> list[ModelInfo]:
        """Every model of the library, with its runners."""
        return self._call(Calls.models())

    def load(
        self, model: str, *, on: str | None = None, on_progress: OnProgress | None = None, **options: Any
    ) -> ModelInfo:
        """Load ``model`` here or ``on`` a paired node; ``options`` are fields of
        :class:`~bago_jupyter.wire.LoadRequest`."""
        return self._job(Calls.load(LoadRequest(model=model, **options), on), on_progress)

    def slots(self, model: str) -> list[SlotInfo]:
        """The slots of every runner of ``model``, and which are at work."""
        return self._call(Calls.slots(model))

    def unload(self, model: str, *, on: str | None = None) -> ModelInfo:
        """Unload every runner of ``model``."""
        return self._call(Calls.unload(model, on))

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
        return self._job(Calls.pull(request, on), on_progress)

    def pulls(self) -> list[PullInfo]:
        """The pulls that run on this node, whoever began them."""
        return self._call(Calls.pulls())

    def cancel_pull(self, id: str) -> None:
        """End a pull of this node; what has arrived is kept."""
        self._call(Calls.cancel_pull(id))

    def remove(self, model: str) -> None:
        """Delete ``model`` from the library."""
        self._call(Calls.remove(model))

    def nodes(self) -> list[NodeInfo]:
        """The paired nodes."""
        return self._call(Calls.nodes())

    def discovered(self) -> list[NodeInfo]:
        """The nodes that announce themselves on the network, paired or not."""
        return self._call(Calls.discovered())

    def paired(self, node: str) -> NodeInfo:
        """One paired node, with its history. ``node`` is a name or the first digits of a fingerprint."""
        return self._call(Calls.node(node))

    def change_node(self, node: str, **changes: Any) -> NodeInfo:
        """Change the settings of a paired node, the fields of :class:`~bago_jupyter.wire.NodeSettings`."""
        return self._call(Calls.change_node(node, NodeSettings(**changes)))

    def remove_node(self, node: str) -> None:
        """Remove a paired node: it is told, and cut off."""
        self._call(Calls.remove_node(node))

    def ping(self, node: str) -> Ping:
        """Probe a paired node now."""
        return self._call(Calls.ping(node))

    def connections(self) -> list[ConnectionInfo]:
        """The connections to servers beyond the mesh."""
        return self._call(Calls.connections())

    def connection(self, name: str) -> ConnectionInfo:
        """One connection, with its history and its latest test."""
        return self._call(Calls.connection(name))

    def add_connection(self, name: str, **options: Any) -> ConnectionInfo:
        """Test a connection and keep it; ``options`` are the fields of
        :class:`~bago_jupyter.wire.ConnectionWanted`."""
        return self._call(Calls.add_connection(ConnectionWanted(name=name, **options)))

    def change_connection(self, name: str, **changes: Any) -> ConnectionInfo:
        """Change the fields of :class:`~bago_jupyter.wire.ConnectionSettings` of a connection."""
        return self._call(Calls.change_connection(name, ConnectionSettings(**changes)))

    def remove_connection(self, name: str) -> None:
        """Forget a connection and its key."""
        self._call(Calls.remove_connection(name))

    def toggle_connection(self, name: str, enabled: bool | None = None) -> ConnectionInfo:
        """Switch a connection on or off, or over."""
        return self._call(Calls.toggle_connection(name, enabled))

    def check_connection(self, name: str) -> ConnectionInfo:
        """Test a connection hop by hop, now."""
        return self._call(Calls.check_connection(name))

    def check_connections(self) -> list[ConnectionInfo]:
        """Test all connections, now."""
        return self._call(Calls.check_connections())

    def connection_models(self, name: str) -> list[ConnectionModel]:
        """The models that a connection lists."""
        return self._call(Calls.connection_models(name))

    def select_models(self, name: str, models: list[str] | None) -> list[ConnectionModel]:
        """Use only ``models`` of a connection; ``None`` is all."""
        return self._call(Calls.select_models(name, models))

    def keys(self) -> list[KeyInfo]:
        """The connection keys that were given out."""
        return self._call(Calls.keys())

    def make_key(self, **options: Any) -> KeyInfo:
        """A new connection key; ``options`` are the fields of :class:`~bago_jupyter.wire.KeyWanted`."""
        return self._call(Calls.make_key(KeyWanted(**options)))

    def revoke_key(self, id: str) -> KeyInfo:
        """Make a connection key useless."""
        return self._call(Calls.revoke_key(id))

    def connect(self, key: str) -> NodeInfo:
        """Pair with the node that made ``key``."""
        return self._call(Calls.connect(key))

    def requests(self) -> list[RequestInfo]:
        """Requests for a connection, of others and of this node."""
        return self._call(Calls.requests())

    def request(self, node: str) -> RequestInfo:
        """Ask a discovered node for a connection."""
        return self._call(Calls.request(node))

    def decide(self, request: str, decision: str) -> RequestInfo:
        """``approve`` or ``refuse`` a request of another node, ``confirm`` or ``cancel`` one of this node."""
        return self._call(Calls.decide(request, decision))

    def sharing(self) -> list[ModelSharing]:
        """The models of the library, and whether peers may use them."""
        return self._call(Calls.sharing())

    def share(self, model: str, shared: bool) -> None:
        """Whether peers may use a model of this node."""
        self._call(Calls.share(model, shared))

    def api_keys(self) -> list[ApiKeyInfo]:
        """The named API keys, without the keys themselves."""
        return self._call(Calls.api_keys())

    def add_api_key(self, name: str) -> ApiKeyInfo:
        """A new API key; this answer alone holds it."""
        return self._call(Calls.add_api_key(name))

    def remove_api_key(self, name: str) -> None:
        """Make an API key worth nothing."""
        self._call(Calls.remove_api_key(name))

    def routes(self) -> list[RouteInfo]:
        """The names that lead to a chain of models."""
        return self._call(Calls.routes())

    def join(self, model: str, digests: Sequence[str] = ()) -> JoinInfo:
        """Make ``digests`` (the first digits of each will do) and the weights that ``model`` stands for one
        model; without any they are told apart again."""
        return self._call(Calls.join(model, digests))

    def set_route(self, name: str, targets: Sequence[str]) -> RouteInfo:
        """Let ``name`` lead to ``targets`` (``model`` or ``node/model``), tried from left to right."""
        return self._call(Calls.set_route(name, targets))

    def remove_route(self, name: str) -> None:
        """Forget a route."""
        self._call(Calls.remove_route(name))

    def stats(self, by: Sequence[str] = ("model", "node"), since: float = 86400.0) -> list[StatsRow]:
        """What was asked in the last ``since`` seconds, by any of ``model``, ``node``, ``caller`` and
        ``dialect``; most requests first."""
        return self._call(Calls.stats(by, since))

    def series(self, by: Sequence[str] = (), since: float = 86400.0, points: int = 60) -> list[StatsSeries]:
        """The same over time, in at most ``points`` equal steps."""
        return self._call(Calls.series(by, since, points))

    def topology(self) -> Topology:
        """The mesh as one sees it from this node: everything that could be asked, and how it is."""
        return self._call(Calls.topology())

    def settings(self) -> dict[str, Any]:
        """The settings; of secrets only whether they are set."""
        return self._call(Calls.settings())

    def configure(self, **changes: Any) -> dict[str, Any]:
        """Change settings live, and keep them."""
        return self._call(Calls.configure(changes))

    def decisions(self, limit: int = 20) -> list[Decision]:
        """The newest decisions first."""
        return self._call(Calls.decisions(limit))

    def why(self, id: str | None = None) -> Decision:
        """Why request ``id`` (or the newest) went where it went."""
        return self._call(Calls.why(id))

    def log(self, lines: int = 50) -> list[str]:
        """The last lines of the node's log."""
        return self._call(Calls.log(lines))

    def drain(self, on: bool = True) -> Status:
        """Take no new requests for the models of this node, or take them again."""
        return self._call(Calls.drain(on))

    def shutdown(self) -> None:
        """Stop the node."""
        self._call(Calls.shutdown())

    def default_model(self) -> str:
        """The model that a chat uses when none is named: one of the library, loaded if there is one, else one
        of the mesh. Raises :class:`~bago_jupyter.errors.ModelNotFound`."""
        return pick(self.models()) or pick_anywhere(self._call(Calls.offered()))

    @contextmanager
    def chat(
        self, messages: list[dict[str, Any]], *, model: str | None = None, **options: Any
    ) -> Iterator[tuple[Reply, Iterator[str]]]:
        """Stream a chat completion: ``with node.chat(...) as (reply, pieces): for piece in pieces: ...``.

        Leaving the block early closes the connection, and with it the generation.
        """
        call = Calls.chat(messages, model or self.default_model(), options)
        with self._stream(call) as response:
            reply = Reply(response.headers)
            yield reply, _pieces(reply, response)

    def events(self) -> Iterator[AnyEvent]:
        """Everything that happens in the node from now on."""
        with self._stream(Calls.events()) as response:
            events: NodeEvents[AnyEvent] = NodeEvents(response, AnyEvent)
            for chunk in response.iter_bytes():
                yield from (event for event in events.read(chunk) if event is not None)

    def close(self) -> None:
        """Close the connections; the node goes on."""
        self._http.close()

    def __enter__(self) -> NodeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, call: Call[T]) -> T:
        with reachable(self.url, self._http):
            response = self._http.request(
                call.method, call.path, content=encode(call.body), params=call.params
            )
        return decode(response, call.type)

    @contextmanager
    def _stream(self, call: Call[Any]) -> Iterator[httpx.Response]:
        with (
            reachable(self.url, self._http),
            self._http.stream(call.method, call.path, content=encode(call.body), timeout=STREAM) as response,
        ):
            if response.status_code >= 400:
                response.read()
                decode(response, bytes)
            yield response

    def _job(self, call: Call[JobEvent], on_progress: OnProgress | None) -> ModelInfo:
        with self._stream(call) as response:
            events: NodeEvents[JobEvent] = NodeEvents(response, JobEvent)
            for chunk in response.iter_bytes():
                for event in events.read(chunk):
                    if event is not None and (model := job_event(event, on_progress)):
                        return model
        raise errors.NodeUnreachable("The node went away before the job was done.")


def _pieces(reply: Reply, response: httpx.Response) -> Iterator[str]:
    try:
        for chunk in response.iter_bytes():
            yield from reply.read(chunk)
            if reply.over:
                break
    except httpx.HTTPError as error:
        if not reply.complete:
            raise cut(error) from None
    yield from reply.end()
