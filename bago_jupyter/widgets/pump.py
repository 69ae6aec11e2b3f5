"""Keeps the widgets of a node up to date: one pump for each node, on the background loop.

A pump reads the node's event stream while at least one of its widgets is on show, and is gone
otherwise. It tells a widget at most once a frame, and asks for the whole status now and then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from .. import loops
from ..client import AsyncNodeClient, NodeClient
from ..errors import BagoError, NodeUnreachable
from ..events import (
    AnyEvent,
    LibraryChanged,
    NodeDown,
    NodeUp,
    Notice,
    RequestEnded,
    RequestStarted,
    RunnerChanged,
)
from ..settings import Settings
from ..state import Home
from ..wire import NodeFile, Status

FRAME = 0.1
"""Seconds between two messages to a widget, at least."""
REFRESH = 5.0
"""Seconds after which the whole status is read again, and between two tries to reach a lost node."""
RETRY = 0.5
FAILED = "This view failed; the kernel's log has more."
_log = logging.getLogger(__name__)


class Follower(Protocol):
    """What a pump feeds. Called on the background loop."""

    @property
    def live(self) -> bool:
        """Whether anybody looks."""

    def release(self) -> None:
        """Nobody looks any more."""


@runtime_checkable
class StatusFollower(Follower, Protocol):
    """Shows the node's status."""

    def show(self, status: Status | None, down: str | None, *, tell: bool) -> None:
        """Take the newest status, or why there is none; show it unless ``tell`` is false."""


@runtime_checkable
class Gatherer(Follower, Protocol):
    """Shows what it reads itself; see :class:`~.live.LiveView`."""

    def gather(self, client: NodeClient) -> Any: ...

    def concerns(self, event: AnyEvent) -> bool: ...

    def passing(self, event: AnyEvent) -> dict[str, Any] | None: ...

    def take(self, view: Any, down: str | None, *, tell: bool) -> None: ...

    def push(self, content: dict[str, Any]) -> None: ...


def follow(node: NodeFile, widget: Follower, known: Status | None = None) -> None:
    """Feed ``widget`` with the state of ``node`` until nobody looks at it. Thread-safe.

    ``known`` is the last known status, if there is one.
    """
    loops.background().loop.call_soon_threadsafe(_follow, node, widget, known)


async def connect(node: NodeFile) -> AsyncNodeClient:
    """A client of the node of a pumped widget, which lives as long as its pump. Background loop only."""
    return _pump(node).client


async def renew(node: NodeFile, widget: Gatherer) -> None:
    """Have ``widget`` read anew after a change, and wait until it shows that. Background loop only."""
    await _pump(node).renew(widget)


_pumps: dict[str, Pump] = {}


def _pump(node: NodeFile) -> Pump:
    pump = _pumps.get(node.fingerprint)
    if pump is None or pump.over:
        pump = _pumps[node.fingerprint] = Pump(node)
    return pump


def _follow(node: NodeFile, widget: Follower, known: Status | None) -> None:
    _pump(node).add(widget, known)


class Pump:
    """Follows one node. Belongs to the background loop."""

    def __init__(self, node: NodeFile):
        self.node = node
        self.client = AsyncNodeClient(node)
        self._reading = NodeClient(node)
        self._widgets: list[Follower] = []
        self._stale_views: set[Gatherer] = set()
        self._passing: dict[Gatherer, list[dict[str, Any]]] = {}
        self._shown: dict[Gatherer, bytes] = {}
        self._renewals: dict[Gatherer, list[asyncio.Future[None]]] = {}
        self._status: Status | None = None
        self._home: Path | None = None
        self._told: tuple[bytes, str | None] | None = None
        self._changed = asyncio.Event()
        self._stale = True
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name=f"pump {node.fingerprint[:11]}")

    @property
    def over(self) -> bool:
        """Whether this pump has ended, or its loop has."""
        return self._task.done() or self._loop is not asyncio.get_running_loop()

    def add(self, widget: Follower, known: Status | None) -> None:
        """Feed ``widget`` too; one that is fed already is told everything anew."""
        self._home = self._home if known is None else Path(known.home)
        if widget not in self._widgets:
            self._widgets.append(widget)
        if isinstance(widget, Gatherer):
            self._stale_views.add(widget)
            self._shown.pop(widget, None)
        self._told = None
        self._changed.set()

    async def _run(self) -> None:
        wait = RETRY
        try:
            while self._watched():
                try:
                    await self._follow()
                except (BagoError, msgspec.DecodeError) as error:
                    lost = self._told is not None and self._told[1] is not None
                    wait = min(wait * 2, REFRESH) if lost else RETRY
                    self._tell(str(error))
                    await asyncio.sleep(wait)
                    await self._look_again()
        except asyncio.CancelledError:
            self._tell("The kernel's background loop has ended; run %bago up.")
            raise
        except Exception:
            _log.exception("the pump of %s failed", self.node.fingerprint)
            self._tell("The live view failed; the kernel's log has more.")
        finally:
            if _pumps.get(self.node.fingerprint) is self:
                del _pumps[self.node.fingerprint]
            await self.client.close()
            self._reading.close()

    async def _follow(self) -> None:
        """Feed the widgets until nobody looks; raises when the node is gone."""
        reader = asyncio.create_task(self._read())
        reader.add_done_callback(lambda _: self._changed.set())
        self._stale = True
        try:
            while self._watched():
                if reader.done():
                    reader.result()
                    raise NodeUnreachable(f"The node at {self.client.url} went away.")
                if self._stale or self._status is None:
                    self._stale = False
                    self._status = await self.client.status()
                    self._home = Path(self._status.home)
                    read = time.monotonic()
                    self._stale_views |= set(self._gatherers())
                self._tell(None)
                await self._gather()
                await asyncio.sleep(FRAME)
                await self._pause(read + REFRESH - time.monotonic())
                self._stale |= time.monotonic() >= read + REFRESH
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError, BagoError, msgspec.DecodeError):
                await reader

    async def _read(self) -> None:
        async for event in self.client.events(on_open=self._read_anew):
            if isinstance(event, NodeDown):
                raise NodeUnreachable(f"The node has stopped ({event.reason}); run %bago up.")
            if self._status is not None and fold(self._status, event):
                self._changed.set()
            self._notice(event)
            loading = isinstance(event, RunnerChanged) and event.runner.state == "loading"
            if isinstance(event, (NodeUp, LibraryChanged, RunnerChanged)) and not loading:
                self._read_anew()

    def _read_anew(self) -> None:
        # Also when the events begin: what happened since the first status was read was told to nobody.
        self._stale = True
        self._changed.set()

    async def _pause(self, seconds: float) -> None:
        """Wait for a change, or for ``seconds``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._changed.wait()
        self._changed.clear()

    async def _look_again(self) -> None:
        """Follow the node's home to a new process, port or token."""
        with suppress(BagoError):
            node = Home(self._home or Settings.load().home).read_node()
            if node is not None and node != self.node and node.fingerprint == self.node.fingerprint:
                await self.client.close()
                self._reading.close()
                self.node, self.client, self._reading = node, AsyncNodeClient(node), NodeClient(node)

    # -- views that read for themselves

    def _gatherers(self) -> list[Gatherer]:
        return [widget for widget in self._widgets if isinstance(widget, Gatherer)]

    def _notice(self, event: AnyEvent) -> None:
        for view in self._gatherers():
            if view.concerns(event):
                self._stale_views.add(view)
                self._changed.set()
            if (passing := view.passing(event)) is not None:
                self._passing.setdefault(view, []).append(passing)
                self._changed.set()

    async def renew(self, widget: Gatherer) -> None:
        """Read ``widget`` anew, and wait for that, within :data:`REFRESH`."""
        shown = self._loop.create_future()
        self._renewals.setdefault(widget, []).append(shown)
        self._stale_views.add(widget)
        self._changed.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(REFRESH):
                await shown

    async def _gather(self) -> None:
        """Pass on what happened, and let the views that need it read anew, one after the other."""
        passing, self._passing = self._passing, {}
        for view, events in passing.items():
            view.push({"kind": "events", "events": events})
        stale, self._stale_views = self._stale_views, set()
        for view in stale:
            renewals = self._renewals.pop(view, ())
            try:
                content = await asyncio.to_thread(view.gather, self._reading)
                encoded = msgspec.json.encode(content)
            except BagoError:
                raise
            except Exception:
                _log.exception("%s could not be gathered", type(view).__name__)
                view.take(None, FAILED, tell=self._shown.get(view) != b"")
                self._shown[view] = b""
            else:
                view.take(content, None, tell=self._shown.get(view) != encoded)
                self._shown[view] = encoded
            for shown in renewals:
                if not shown.done():
                    shown.set_result(None)

    def _watched(self) -> bool:
        for widget in [widget for widget in self._widgets if not widget.live]:
            self._widgets.remove(widget)
            if isinstance(widget, Gatherer):
                self._stale_views.discard(widget)
                self._passing.pop(widget, None)
                self._shown.pop(widget, None)
            widget.release()
        return bool(self._widgets)

    def _tell(self, down: str | None) -> None:
        status = self._status
        # Views count the seconds themselves, so a calm node costs the browser nothing.
        still = None if status is None else msgspec.structs.replace(status, uptime=0.0, resources=None)
        calm = msgspec.json.encode(still)
        news = (calm, down) != self._told
        self._told = (calm, down)
        for widget in self._widgets:
            try:
                if isinstance(widget, StatusFollower):
                    widget.show(status, down, tell=news)
                elif isinstance(widget, Gatherer) and down is not None:
                    self._shown.pop(widget, None)
                    widget.take(None, down, tell=news)
            except Exception:
                _log.exception("a widget could not be fed")


def fold(status: Status, event: AnyEvent) -> bool:
    """Bring ``status`` up to date with ``event``, in place; whether anything changed.

    Between two reads of the status only: it spares the node one for every request that it serves.
    """
    counts = status.requests
    match event:
        case RequestStarted(attempt=1):
            counts.total += 1
            counts.in_flight += 1
        case RequestEnded(verdict=verdict, backend=backend):
            if backend is None:  # nobody was asked
                counts.total += 1
            else:
                counts.in_flight = max(0, counts.in_flight - 1)
            setattr(counts, verdict, getattr(counts, verdict) + 1)
        case RunnerChanged(runner=runner):
            same = [(old.model, old.task) == (runner.model, runner.task) for old in status.runners]
            if True in same:
                status.runners[same.index(True)] = runner
            else:
                status.runners.append(runner)
        case Notice(message=message) if message not in status.notices:
            status.notices.append(message)
        case _:
            return False
    return True
