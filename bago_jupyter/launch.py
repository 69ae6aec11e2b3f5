"""Where a node lives: in a thread, on the kernel's loop or in a child process; or elsewhere already.

Every function is synchronous, and thread-safe unless it says otherwise. A process holds at most one node.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

import filelock

from . import loops
from .errors import BagoError, NodeUnreachable, SettingsError
from .settings import PREFIX, Settings
from .state import Home
from .wire import NodeFile

if TYPE_CHECKING:
    from .client import NodeClient
    from .core import Node

Where = Literal["thread", "kernel", "process"]

START_TIMEOUT = 20.0
STOP_TIMEOUT = 1.5
TAKEOVER_POLL = 0.5
"""Seconds between two looks at the lock of a node that runs elsewhere."""

log = logging.getLogger("bago.launch")
_lock = threading.RLock()


class _Running:
    """What this process knows of its node."""

    client: NodeClient | None = None
    node: Node | None = None
    where: Where | None = None
    """``None`` while another process runs the node."""
    settings: Settings | None = None
    child: subprocess.Popen[bytes] | None = None
    thread: loops.LoopThread | None = None
    watcher: threading.Thread | None = None
    leave = threading.Event()


_running = _Running()


def up(where: Where = "thread", **settings: Any) -> NodeClient:
    """Bring this home's node up and return a client of it.

    If it runs already, here or in another process, that one is used. ``where`` is ``thread`` (a
    daemon thread of this process), ``kernel`` (the loop that runs in this thread: call it from a
    cell) or ``process`` (a child). Raises :class:`BagoError` with what to do.
    """
    if where not in ("thread", "kernel", "process"):
        raise SettingsError(
            f"A node runs in 'thread', 'kernel' or 'process', not in {where!r}.", param="where"
        )
    wanted = Settings.load(settings)
    with _lock:
        if _running.client is not None and _running.settings is not None:
            if _alive(_running.client):
                return _running.client
            _forget()
        _running.settings = wanted
        _running.leave = threading.Event()
        home = Home(wanted.home)
        client = _attach(home) or _start(where, wanted, settings)
        _running.client = client
        return client


def down() -> bool:
    """Stop the node that this process runs, or leave the one that another runs.

    Returns whether a node of this process was stopped; it and its children are gone then.
    """
    with _lock:
        ours = _running.where is not None
        _running.leave.set()
        from . import nested

        node, thread, child = _running.node, _running.thread, _running.child
        if thread is not None and node is not None:
            _quietly(lambda: thread.run(node.stop(), STOP_TIMEOUT))
            thread.stop()
        elif node is not None:
            _quietly(lambda: nested.run(node.stop()))
        elif child is not None:
            _end(child)
        _forget()
        return ours


def node() -> NodeClient:
    """A client of the node that runs here or for this home. Raises :class:`NodeUnreachable`."""
    with _lock:
        if _running.client is not None and _alive(_running.client):
            return _running.client
        settings = _running.settings or Settings.load()
        client = _attach(Home(settings.home))
        if client is None:
            raise NodeUnreachable("No node runs here; start it with %bago up (or bago-jupyter serve).")
        _running.client, _running.settings = client, settings
        return client


def serve(settings: Settings, *, until_eof: bool = False, ready: Any = None) -> None:
    """Run a node in the foreground until a signal, a shutdown request or, with ``until_eof``, the end
    of stdin. ``ready(node_file)`` is called once it answers. Belongs to the main thread."""
    from .core import Node

    async def main() -> None:
        import signal

        node = Node(settings, place="process" if until_eof else "headless")
        await node.start()
        settle_memory()
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            if sys.platform == "win32":
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
            else:
                loop.add_signal_handler(number, stop.set)
        if until_eof:
            threading.Thread(target=_wait_for_eof, args=(loop, stop), daemon=True).start()
        if ready is not None:
            ready(node.file)
        ends = [asyncio.ensure_future(event.wait()) for event in (stop, node.stopped)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        await node.stop("the process ends")

    with asyncio.Runner(loop_factory=loops.loop_factory(settings.loop)) as runner:
        runner.run(main())


def settle_memory() -> None:
    """Spare the collector what lives as long as the process: a full collection stops the relay for
    tens of milliseconds. For processes that are all ours."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


# -- starting


def _start(where: Where, wanted: Settings, arguments: dict[str, Any]) -> NodeClient:
    from . import nested
    from .core import Node, NodeRunsAlready

    try:
        if where == "process":
            file = _start_child(wanted, arguments)
        else:
            node = Node(wanted, place=where)
            if where == "thread":
                thread = loops.LoopThread(wanted.loop)
                try:
                    thread.run(node.start(), START_TIMEOUT)
                except BaseException:
                    thread.stop()
                    raise
                _running.thread = thread
            else:
                nested.run(node.start())
            _running.node, file = node, node.file
    except NodeRunsAlready:
        return _await_other(Home(wanted.home))
    _running.where = where
    atexit.register(down)
    return _client(file)


def _start_child(settings: Settings, arguments: dict[str, Any]) -> NodeFile:
    """A child in its own session that ends when its stdin does, which is when this process ends."""
    environ = {**os.environ}
    for name, value in {**arguments, "home": settings.home}.items():
        if value is not None:
            environ[PREFIX + name.upper()] = str(value)
    child = subprocess.Popen(
        [sys.executable, "-m", "bago_jupyter", "serve", "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        start_new_session=True,
    )
    assert child.stdout is not None
    try:
        line = child.stdout.readline()  # one JSON object, or the end of file when it could not start
    except BaseException:
        _end(child)
        raise
    if not line.startswith(b"{"):
        _end(child)
        message = line.decode("utf-8", "replace").strip()
        raise BagoError(message or "The node's process ended before it was up; see node.log in its home.")
    _running.child = child
    file = Home(settings.home).read_node()
    assert file is not None
    return file


def _await_other(home: Home) -> NodeClient:
    """Another process took the lock a moment ago: wait for its API."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        client = _attach(home)
        if client is not None:
            return client
        time.sleep(0.05)
    raise NodeUnreachable(f"Another process holds {home.root / 'node.lock'} but its node does not answer.")


def _attach(home: Home) -> NodeClient | None:
    """A client of a node of this home that another process runs, or ``None``."""
    file = home.read_node()
    if file is None:
        return None
    client = _client(file)
    if not _alive(client):
        client.close()
        return None
    settings = _running.settings
    if settings is not None and settings.takeover and _running.watcher is None and file.pid != os.getpid():
        _running.watcher = threading.Thread(target=_watch, args=(settings, _running.leave), daemon=True)
        _running.watcher.start()
    return client


def _watch(settings: Settings, leave: threading.Event) -> None:
    """Take the node's place within 2 s of its process's death: same identity, name, port and models."""
    home = Home(settings.home)
    lock = home.lock()
    while not leave.wait(TAKEOVER_POLL):
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            continue
        lock.release()
        if home.read_node() is None:
            break  # it stopped in good order: nobody died
        with _lock:
            if leave.is_set():
                return
            _running.watcher = None
            file = home.read_node()
            port = file.port if file is not None else settings.port
            try:
                _running.client = _start("thread", settings.replace(port=port), {})
                log.warning("The process that ran this node died; this one has taken its place")
            except BagoError as error:
                log.warning("Could not take over the node: %s", error)
        return
    _running.watcher = None


# -- ending


def _end(child: subprocess.Popen[bytes]) -> None:
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            _quietly(stream.close)
    try:
        child.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _forget() -> None:
    if _running.client is not None:
        _running.client.close()
    _running.client = _running.node = _running.where = _running.thread = None
    _running.child = _running.settings = _running.watcher = None
    atexit.unregister(down)


def _wait_for_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    loop.call_soon_threadsafe(stop.set)


def _client(file: NodeFile) -> NodeClient:
    from .client import NodeClient

    if file.place == "kernel" and file.pid == os.getpid():
        from .nested import NestedTransport

        return NodeClient(file, transport=NestedTransport())
    return NodeClient(file)


def _alive(client: NodeClient) -> bool:
    try:
        client.status()
    except BagoError:
        return False
    return True


def _quietly(action: Any) -> None:
    try:
        action()
    except Exception:
        log.debug("while stopping", exc_info=True)
