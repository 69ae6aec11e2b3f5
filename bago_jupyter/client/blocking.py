"""The synchronous client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from .. import errors
from ..events import AnyEvent
from ..wire import (
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
    PullRequest,
    RequestInfo,
    SlotInfo,
    Status,
)
from .answers import OnProgress, decode, encode, job_event, pick, reachable
from .base import ALIVE_TIMEOUT, STREAM, Base
from .calls import Call, Calls, T
from .reply import Reply


class NodeClient(Base):
    """Synchronous client. Thread-safe. An interrupt closes the socket, which frees the slot."""

    def __init__(self, node: NodeFile, *, transport: httpx.BaseTransport | None = None):
        super().__init__(node)
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

    def share(self, model: str, shared: bool) -> None:
        """Whether peers may use a model of this node."""
        self._call(Calls.share(model, shared))

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

    def shutdown(self) -> None:
        """Stop the node."""
        self._call(Calls.shutdown())

    def default_model(self) -> str:
        """The model that a chat uses when none is named: a loaded one, else the first that can chat."""
        return pick(self.models())

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
            yield reply, (new for data in _sse(response) if (new := reply.feed(data)))

    def events(self) -> Iterator[AnyEvent]:
        """Everything that happens in the node from now on."""
        with self._stream(Calls.events()) as response:
            for data in _sse(response):
                yield msgspec.json.decode(data, type=AnyEvent)

    def close(self) -> None:
        """Close the connections; the node goes on."""
        self._http.close()

    def __enter__(self) -> NodeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, call: Call[T]) -> T:
        with reachable(self.url):
            response = self._http.request(
                call.method, call.path, content=encode(call.body), params=call.params
            )
        return decode(response, call.type)

    @contextmanager
    def _stream(self, call: Call[Any]) -> Iterator[httpx.Response]:
        with (
            reachable(self.url),
            self._http.stream(call.method, call.path, content=encode(call.body), timeout=STREAM) as response,
        ):
            if response.status_code >= 400:
                response.read()
                decode(response, bytes)
            yield response

    def _job(self, call: Call[JobEvent], on_progress: OnProgress | None) -> ModelInfo:
        with self._stream(call) as response:
            for data in _sse(response):
                if model := job_event(data, on_progress):
                    return model
        raise errors.NodeUnreachable("The node went away before the job was done.")


def _sse(response: httpx.Response) -> Iterator[str]:
    for line in response.iter_lines():
        if line.startswith("data:"):
            yield line[5:].lstrip()
