"""What happens in a node, as typed events, and the bus that carries them to whoever listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Union

import msgspec

from .wire import ModelInfo, Outcome, PullInfo, RunnerInfo, Verdict


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """Base of all events; ``event`` on the wire is the class name in lower case."""


class NodeUp(Event, frozen=True, kw_only=True):
    """The API answers."""

    name: str
    url: str


class NodeDown(Event, frozen=True, kw_only=True):
    """The node is about to stop; nothing follows."""

    reason: str


class LibraryChanged(Event, frozen=True, kw_only=True):
    """Models appeared in, changed in or left the library."""

    models: list[ModelInfo]


class RunnerChanged(Event, frozen=True, kw_only=True):
    """A runner changed state or made progress with its load."""

    runner: RunnerInfo


class PullProgress(Event, frozen=True, kw_only=True):
    """A pull began, moved on (told a few times a second) or ended."""

    pull: PullInfo


class RequestStarted(Event, frozen=True, kw_only=True):
    """A request was sent to a backend."""

    id: str
    model: str
    """As the client wrote it."""
    backend: str
    target: str | None = None
    """The name under which that backend knows the model."""
    attempt: int = 1
    """Backends asked for this request so far, this one included."""


class RequestMoved(Event, frozen=True, kw_only=True):
    """A backend that was asked begins to answer, or is out of it while the request goes on."""

    id: str
    backend: str
    target: str
    """The name under which that backend knows the model."""
    outcome: Outcome | None = None
    """``None`` where it begins to answer."""
    detail: str | None = None
    """The failure in a sentence."""


class RequestEnded(Event, frozen=True, kw_only=True):
    """A request is over."""

    id: str
    model: str
    """As the client wrote it."""
    backend: str | None
    outcome: Outcome
    seconds: float
    tokens: int | None
    detail: str | None = None
    """The failure in a sentence."""
    target: str | None = None
    """The name under which the last backend knows the model."""
    status: int | None = None
    """Of the answer."""
    verdict: Verdict
    """What it counts as."""


class NodesChanged(Event, frozen=True, kw_only=True):
    """A node was discovered, paired, lost or changed: list them anew."""

    at: float


class Notice(Event, frozen=True, kw_only=True):
    """Something the owner should know."""

    message: str


AnyEvent = Union[
    NodeUp,
    NodeDown,
    LibraryChanged,
    RunnerChanged,
    PullProgress,
    RequestStarted,
    RequestMoved,
    RequestEnded,
    NodesChanged,
    Notice,
]

BACKLOG = 1024
"""Events kept for a slow listener; beyond it the oldest are dropped, never the node's pace."""


class Bus:
    """Fans events out to subscribers. Belongs to the node's loop: publish and subscribe there only."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[AnyEvent]] = set()
        self._listeners: list[Callable[[AnyEvent], None]] = []

    @property
    def watched(self) -> bool:
        """Whether anybody would see an event: hot paths ask before they build one."""
        return bool(self._queues or self._listeners)

    def publish(self, event: AnyEvent) -> None:
        """Hand ``event`` to every listener and subscriber, without waiting for any of them."""
        for listener in self._listeners:
            listener(event)
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def listen(self, listener: Callable[[AnyEvent], None]) -> Callable[[], None]:
        """Call ``listener`` with every event until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextmanager
    def subscription(self) -> Iterator[asyncio.Queue[AnyEvent]]:
        """A queue that receives every event from the moment of entering."""
        queue: asyncio.Queue[AnyEvent] = asyncio.Queue(BACKLOG)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)
