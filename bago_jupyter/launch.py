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

from . import logs, loops, timeslice
from .errors import BagoError, NodeUnreachable, SettingsError, StateError
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

caller: str | None = None
"""What the requests of this process are counted under; ``None`` is the name of its notebook."""

log = logging.getLogger("bago.launch")
_lock = threading.RLock()
logs.hush()


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
    parents: _Running | None = None


_running = _Running()


def up(where: Where = "thread", **settings: Any) -> NodeClient:
    """Bring this home's node up and return a client of it.

    If it runs already, here or in another process, that one is used. ``where`` is ``thread`` (a
    daemon thread of this process), ``kernel`` (the loop that runs in this thread: call it from a
    cell) or ``process`` (a child). Raises :class:`BagoError` with what to do.
    """
    if where not in ("thread", "kernel", "process"):
        raise SettingsError(f"A node runs in thread, kernel or process, not in {where!r}.", param="where")
    wanted = Settings.load(settings)
    with _lock:
        client = _known(wanted)
        if client is None:
            _running.settings = wanted
            client = _running.client = _attach(Home(wanted.home)) or _start(where, wanted, settings)
        if _running.where is None:
            _stand_by(wanted)
        return client


def down() -> bool:
    """Stop the node that this process runs, or leave the one that another runs.

    Returns whether a node of this process was stopped; it and its children are gone then.
    """
    with _lock:
        ours = _running.where is not None
        _end_ours()
        _forget()
        return ours


def node() -> NodeClient:
    """A client of the node that runs here or for this home. Raises :class:`NodeUnreachable`."""
    with _lock:
        if _running.client is not None and _alive(_running.client):
            return _running.client
        settings = _running.settings or Settings.load()
        if _running.where is not None:  # ours does not answer any more: another client shut it down
            _end_ours()
            _forget()
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
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            if sys.platform == "win32":
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
            else:
                loop.add_signal_handler(number, stop.set)
        await node.start()
        try:
            settle_memory()
            timeslice.shorten()
            if until_eof:
                threading.Thread(target=_wait_for_eof, args=(loop, stop), daemon=True).start()
            if ready is not None:
                ready(node.file)
            ends = [asyncio.ensure_future(event.wait()) for event in (stop, node.stopped)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
        finally:
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


def _start(
    where: Where, wanted: Settings, arguments: dict[str, Any], heir_of: NodeFile | None = None
) -> NodeClient:
    from . import nested
    from .core import Node, NodeRunsAlready

    try:
        if where == "process":
            file = _start_child(wanted, arguments)
        else:
            node = Node(wanted, place=where, heir_of=heir_of)
            thread = loops.LoopThread(wanted.loop) if where == "thread" else None
            try:
                if thread is not None:
                    thread.run(node.start(), START_TIMEOUT)
                else:
                    nested.run(node.start())
                _running.thread, _running.node, file = thread, node, node.file
            except BaseException as error:
                _undo(node, thread)
                if isinstance(error, TimeoutError):
                    raise BagoError(f"The node was not up within {START_TIMEOUT:g} s.") from None
                raise
    except NodeRunsAlready:
        return _await_other(Home(wanted.home))
    _running.where = where
    atexit.register(down)
    return _client(file)


def _undo(node: Node, thread: loops.LoopThread | None) -> None:
    """End a start that failed or was interrupted: it may still go on, or be done in the same moment."""
    if thread is None:
        _end_in_kernel(node)
        return
    try:
        _quietly(lambda: thread.run(node.stop("it was not waited for"), STOP_TIMEOUT))
    finally:
        thread.stop()


def _start_child(settings: Settings, arguments: dict[str, Any]) -> NodeFile:
    """A child in its own session that ends when its stdin does, which is when this process ends."""
    given = {**arguments, "home": settings.home}
    environ = {**os.environ, **{PREFIX + k.upper(): str(v) for k, v in given.items() if v is not None}}
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
    file = home.read_node()
    who = f"Process {file.pid}" if file is not None else "Another process"
    raise NodeUnreachable(f"{who} runs the node of {home.root}, but it does not answer; end it to go on.")


def _attach(home: Home) -> NodeClient | None:
    """A client of a node of this home that another process runs, or ``None``."""
    file = home.read_node()
    if file is None or _is_free(home):  # nobody runs it: whoever listens at its address gets no token
        return None
    client = _client(file)
    if not _alive(client):
        client.close()
        return None
    return client


def _is_free(home: Home) -> bool:
    """Whether no process holds the lock of ``home``."""
    lock = home.lock()
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    except OSError as error:
        raise StateError(f"Cannot use {home.root / 'node.lock'}: {error.strerror}.") from None
    lock.release()
    return True


def _stand_by(settings: Settings) -> None:
    """Be ready to take the place of the node that another process runs."""
    if settings.takeover and _running.watcher is None:
        _running.leave = threading.Event()
        _running.watcher = threading.Thread(target=_watch, args=(settings, _running.leave), daemon=True)
        _running.watcher.start()


def _watch(settings: Settings, leave: threading.Event) -> None:
    """Take the node's place within 2 s of its process's death: same identity, name, port and models."""
    home = Home(settings.home)
    while not leave.wait(TAKEOVER_POLL):
        if not _is_free(home):
            continue
        file = home.read_node()
        if file is None:
            break  # it stopped in good order: nobody died
        with _lock:
            if leave.is_set():
                return
            try:
                heir = settings.replace(port=file.port, api_key=file.api_key or settings.api_key)
                _running.client = _start("thread", heir, {}, heir_of=file)
            except BagoError as error:
                log.warning("Could not take over the node: %s", error)
                continue
            if _running.where is None:
                continue  # another process was faster: stand by for that one
            log.warning("The process that ran this node died; this one has taken its place")
            break
    if _running.leave is leave:
        _running.watcher = None


# -- ending


def _known(wanted: Settings) -> NodeClient | None:
    """The client that is there already, if it is of this home and its node answers."""
    client, settings = _running.client, _running.settings
    if client is None or settings is None:
        return None
    if settings.home != wanted.home:
        if _running.where is not None:
            raise BagoError(f"This process runs the node of {settings.home} already; %bago down first.")
    elif _alive(client):
        return client
    _end_ours()
    _forget()
    return None


def _end_ours() -> None:
    """End what this process started, also where its node has stopped by itself."""
    _running.leave.set()
    node, thread, child = _running.node, _running.thread, _running.child
    if thread is not None and node is not None:
        _quietly(lambda: thread.run(node.stop(), STOP_TIMEOUT))
        thread.stop()
    elif node is not None:
        _end_in_kernel(node)
    elif child is not None:
        _end(child)


def _end_in_kernel(node: Node) -> None:
    from . import nested

    try:
        nested.run(node.stop())
    except BagoError:  # no loop runs any more: the process ends, and its runners with it
        node.home.forget_node(os.getpid())
    except Exception:
        log.debug("while stopping", exc_info=True)


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
    client = _running.client
    _running.leave.set()
    _running.client = _running.node = _running.where = _running.thread = None
    _running.child = _running.settings = _running.watcher = None
    atexit.unregister(down)
    if client is not None:
        _quietly(client.close)


def _wait_for_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 4096):  # not sys.stdin: a thread in it would abort the interpreter's end
        pass
    loop.call_soon_threadsafe(stop.set)


def _client(file: NodeFile) -> NodeClient:
    from .client import NodeClient
    from .client.caller import of_this_process

    name = caller or of_this_process()
    if file.place == "kernel" and file.pid == os.getpid():
        from .nested import NestedTransport

        return NodeClient(file, caller=name, transport=NestedTransport())
    return NodeClient(file, caller=name)


def _alive(client: NodeClient) -> bool:
    if client is _running.client and _running.node is not None:
        return not _running.node.stopping
    return client.alive()


def _after_fork() -> None:
    """The node of a forked child is its parent's: nothing of it is used, or closed, by the child."""
    global _running, _lock
    _Running.parents, _running, _lock = _running, _Running(), threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _quietly(action: Any) -> None:
    try:
        action()
    except Exception:
        log.debug("while stopping", exc_info=True)
