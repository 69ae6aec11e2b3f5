"""A node: its parts wired together, started and stopped. Nothing else happens here."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

import filelock
import msgspec

from . import logs, sharedhost
from ._version import __version__
from .api import App, Context
from .backends import Backend, Dispatcher, LocalBackend
from .backends.firsts import FirstsFile
from .backends.joined import Joined
from .backends.routes import Routes
from .connections import Connections
from .discovery import Announcement
from .engines.describe import describe_all
from .engines.engine import ENGINES, accelerator, engine_of
from .engines.library import Library
from .engines.pulls import Pulls
from .engines.runners import Runners
from .errors import BagoError, SettingsError, StateError
from .events import Bus, LibraryChanged, NodeDown, NodesChanged, NodeUp, Notice, PullProgress, RunnerChanged
from .http1 import Listener
from .identity import Identity
from .mesh import Mesh
from .mesh.sharing import Sharing
from .pace import Pace
from .resources import Meter
from .settings import Settings
from .state import Home
from .statistics import Statistics
from .trust.apikeys import ApiKeys
from .trust.tls import peer_fingerprint
from .wire import NodeFile, Place, PullInfo, RunnerInfo, Status

log = logging.getLogger("bago.node")


class Node:
    """One node of the mesh: ``node = await Node(Settings.load({...})).start()``.

    Belongs to the loop that starts it. ``backends`` are taken into the catalogue beside the local
    one. Only one node runs per home: :meth:`start` raises :class:`NodeRunsAlready` for a second.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        place: Place = "kernel",
        backends: Iterable[Backend] = (),
        heir_of: NodeFile | None = None,
    ):
        self.settings = settings or Settings.load()
        self.place = place
        self.home = Home(self.settings.home)
        self.home.notice = self._notice
        self.bus = Bus()
        self.started_at = 0.0
        self.notices: list[str] = []
        self.meter = Meter()
        self.stopped = asyncio.Event()
        """Set when the node has stopped."""
        self.file: NodeFile
        """How to reach it, once it has started."""
        self._heir_of = heir_of
        self._extra = tuple(backends)
        self._stack = AsyncExitStack()
        self._announcing: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[Any] | None = None
        self._stopping: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The name that people see."""
        return self.settings.name or socket.gethostname().partition(".")[0]

    @property
    def stopping(self) -> bool:
        """Whether it goes down, or has. Thread-safe."""
        return self._stopping is not None

    async def start(self) -> Node:
        """Come up: lock, identity, library, runners, API. Undone as a whole if a part fails."""
        self._starting = asyncio.current_task()
        try:
            async with AsyncExitStack() as stack:
                await self._start(stack)
                self._stack = stack.pop_all()
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise StateError(f"The home {self.home.root} cannot be used: {where}{error.strerror}.") from None
        finally:
            self._starting = None
        self.bus.publish(NodeUp(name=self.name, url=self.status().url))
        log.info("Node %s (%s) is up on port %d", self.name, self.identity.short, self.file.port)
        return self

    async def stop(self, reason: str = "asked to stop") -> None:
        """Go down within 1.5 s: everything that was started ends, in the reverse order; a start under way is
        given up."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop(reason))
        await asyncio.shield(self._stopping)

    def status(self) -> Status:
        """The node's state at this moment."""
        return Status(
            name=self.name,
            fingerprint=self.identity.fingerprint,
            version=__version__,
            pid=os.getpid(),
            place=self.place,
            started_at=self.started_at,
            uptime=time.time() - self.started_at,
            home=str(self.home.root),
            url=f"http://127.0.0.1:{self._server.port}/v1",
            port=self._server.port,
            loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
            api_key_required=self.settings.api_key is not None,
            engines=[engine.info() for engine in ENGINES],
            accelerator=accelerator(),
            library=len(self.library.models),
            runners=self.runners.infos(),
            requests=self.dispatcher.counts,
            draining=self.local.draining,
            notices=self.notices,
            resources=self.meter.look(),
        )

    async def _start(self, stack: AsyncExitStack) -> None:
        settings, home = self.settings, self.home
        lock = home.lock()
        if not _try(lock):
            raise NodeRunsAlready(f"Another process already runs the node of {home.root}.")
        stack.callback(lock.release)
        stack.callback(logs.attach(home.log, settings.log_level))
        self.identity = Identity.open(home)
        settings = self.settings = sharedhost.with_key(settings, home)
        self.library = Library(settings.models_dir, home.root / "library.json", self._library_changed)
        self.pulls = Pulls(settings.models_dir, self._pull_changed)
        self.runners = Runners(settings, self._runner_changed)
        self.dispatcher = Dispatcher(
            self.bus,
            policy=settings.policy,
            max_queue=settings.max_queue,
            idle_timeout=settings.idle_timeout,
        )
        self.routes = Routes(home)
        self.dispatcher.routes = self.routes.all()
        self.joined = Joined(home)
        self.dispatcher.weights.joined = self.joined.all()
        firsts = FirstsFile(home, self.dispatcher.weights)
        self.statistics = Statistics(home.root / "stats.db", self._notice)
        self.dispatcher.books.collector = self.statistics.collector
        await self.statistics.start()
        stack.push_async_callback(self.statistics.stop)
        stack.push_async_callback(self.dispatcher.close)
        stack.push_async_callback(self.runners.stop)
        stack.push_async_callback(self.library.stop)
        await self.library.start()
        self.local = LocalBackend(self.name, settings, self.library, self.runners)
        self.dispatcher.add(self.local)
        for backend in self._extra:
            self.dispatcher.add(backend)
        sharing = Sharing(home)
        self.local.shares = sharing.shares
        self.mesh = Mesh(
            settings,
            home,
            self.identity,
            self.dispatcher,
            self.bus,
            describe=self._describe,
            sharing=sharing,
            expose=self._expose,
            resources=self.meter.look,
        )
        self.connections = Connections(
            home, self.dispatcher, taken=self._node_names, changed=self._connections_changed
        )
        pace = Pace(settings.switch_interval, settings.cell_share, self.dispatcher.books.counts)
        stack.callback(pace.close)
        token = secrets.token_urlsafe(32)
        self._context = self._make_context(pace, token)
        self._app = App(self._context)
        self._server = Listener(self._app, self.mesh.tls.server, peer_fingerprint)
        self.mesh.cut_off = self._server.cut
        stack.push_async_callback(self._server.stop)
        self.started_at = time.time()
        port = await self._server.start(settings.port)
        if self._heir_of is not None and port == self._heir_of.port:
            token = self._context.admin_token = self._heir_of.admin_token
        if settings.port and port != settings.port:
            self._notice(f"Port {settings.port} is taken; this node uses {port}.")
        self.file = NodeFile(
            pid=os.getpid(),
            host="127.0.0.1",
            port=port,
            started_at=self.started_at,
            place=self.place,
            version=__version__,
            fingerprint=self.identity.fingerprint,
            admin_token=token,
            api_key=settings.api_key,
        )
        home.write_node(self.file)
        stack.callback(home.forget_node, os.getpid())
        stack.push_async_callback(self.mesh.stop)
        await self.mesh.start()
        stack.push_async_callback(firsts.stop)
        firsts.start()
        stack.push_async_callback(self.connections.stop)
        await self.connections.start()

    async def _stop(self, reason: str) -> None:
        log.info("Node %s stops: %s", self.name, reason)
        self.bus.publish(NodeDown(reason=reason))
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        try:
            await self._stack.aclose()
        finally:
            self.stopped.set()

    def _make_context(self, pace: Pace, token: str) -> Context:
        return Context(
            settings=self.settings,
            home=self.home,
            library=self.library,
            pulls=self.pulls,
            runners=self.runners,
            local=self.local,
            dispatcher=self.dispatcher,
            mesh=self.mesh,
            connections=self.connections,
            routes=self.routes,
            joined=self.joined,
            api_keys=ApiKeys(self.home),
            statistics=self.statistics,
            bus=self.bus,
            pace=pace,
            meter=self.meter,
            status=self.status,
            drain=self._drain,
            shut_down=lambda: _later(lambda: self.stop("asked to by a client")),
            configure=self._configure,
            admin_token=token,
        )

    def _describe(self) -> Announcement:
        """What this node tells its network about itself."""
        engines = tuple(info.name for engine in ENGINES if (info := engine.info()).available)
        return Announcement(
            name=self.name,
            fingerprint=self.identity.fingerprint,
            port=self._server.port,
            version=__version__,
            engines=engines or None,
            models=sum(engine_of(model)[0] is not None for model in self.library.models.values())
            if engines
            else None,
            accelerator=accelerator(),
        )

    async def _expose(self) -> None:
        await self._server.expose()

    async def _drain(self, on: bool) -> None:
        """Take no new requests for the models of this node, or of its connections for peers."""
        log.info("Node %s %s", self.name, "drains" if on else "takes requests again")
        self.local.draining = self.mesh.draining = on
        self.dispatcher.refresh()
        await self.mesh.refresh()

    async def _configure(self, changes: dict[str, Any]) -> None:
        """Keep changed settings in ``settings.toml``, then use them: those of the name, of other nodes, of
        access and of routing at once, the rest from the next start on. Raises :class:`SettingsError`."""
        if "home" in changes:
            raise SettingsError("A node cannot move to another home while it runs.", param="home")
        settings = self.settings.replace(**changes)
        settings.save(changes)
        if "api_key" in changes and settings.api_key is None:
            sharedhost.forget_key(self.home)
        if changes.get("cluster_key") is not None:
            self.mesh.peers.trust_team()
        self._ask_for_key(settings)
        self.local.node = self.name
        self.dispatcher.refresh()
        self.dispatcher.configure(self.settings.policy, self.settings.max_queue, self.settings.idle_timeout)
        if self.settings.external:
            await self._server.expose()
        await self.mesh.configure(self.settings)

    def _ask_for_key(self, settings: Settings) -> None:
        """Use ``settings``, with an API key where one is needed, and tell the faces of this home."""
        settings = sharedhost.with_key(settings, self.home)
        self.settings = self._context.settings = settings
        self._app.epoch += 1
        if settings.api_key != self.file.api_key:
            self.file = msgspec.structs.replace(self.file, api_key=settings.api_key)
            self.home.write_node(self.file)

    def _library_changed(self) -> None:
        for id in self.runners.follow(self.library.models):
            what = "was replaced" if id in self.library.models else "is gone"
            log.warning("%s is unloaded, since its file %s", id, what)
            self.bus.publish(Notice(message=f"{id} was unloaded, since its file {what}."))
        self._refresh()
        if self.bus.watched:
            self.bus.publish(LibraryChanged(models=describe_all(self.library, self.runners, self.name)))

    def _runner_changed(self, info: RunnerInfo) -> None:
        self._refresh()
        self.bus.publish(RunnerChanged(runner=info))

    def _pull_changed(self, info: PullInfo) -> None:
        if self.bus.watched:
            self.bus.publish(PullProgress(pull=info))

    def _node_names(self) -> list[str]:
        return [self.name, *(peer.name for peer in self.mesh.peers)]

    def _connections_changed(self) -> None:
        self._refresh()
        # Another user may have come since the start.
        if self.settings.api_key is None and self.connections.keyed and sharedhost.is_shared():
            self._ask_for_key(self.settings)
        if self.bus.watched:
            self.bus.publish(NodesChanged(at=time.time()))

    def _refresh(self) -> None:
        self.dispatcher.refresh()
        if self.started_at and self._announcing is None:
            self._announcing = asyncio.ensure_future(self._announce())

    async def _announce(self) -> None:
        """Tell the mesh once about all that changed in this turn of the loop."""
        self._announcing = None
        await self.mesh.refresh()

    def _notice(self, message: str) -> None:
        log.warning("%s", message)
        self.notices.append(message)
        self.bus.publish(Notice(message=message))


class NodeRunsAlready(BagoError):
    """Another process holds ``node.lock`` of this home."""

    status = 409
    code = "node_runs_already"


def _try(lock: filelock.BaseFileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    return True


SHUTDOWN_DELAY = 0.05
"""Seconds in which the answer to the shutdown request reaches its client."""


def _later(stop: Callable[[], Any]) -> None:
    loop = asyncio.get_running_loop()
    loop.call_later(SHUTDOWN_DELAY, lambda: loop.create_task(stop()))
