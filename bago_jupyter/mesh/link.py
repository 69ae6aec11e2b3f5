"""Following one paired node: whether it is there, where, and what it shares."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import cast

from ..backends.peer import PeerBackend
from ..discovery.presence import PROBE_TIMEOUT, Presence, Transition
from ..errors import BagoError, Cause, UpstreamFailed
from ..http1 import Pool, Response
from ..router import Offer
from ..router.shape import Task
from ..trust import address
from ..trust.peers import Peer
from ..trust.tls import Tls
from ..wire import LONGEST_CONTEXT, Resources, moment
from .latest import Latest
from .wire import Entry, Hello, News, read

log = logging.getLogger("bago.mesh")

SILENCE = 4.0
"""Seconds without a heartbeat after which the stream of news is opened anew."""
STAGGER = 0.1
MAX_HELLO = 64 * 1024
MAX_NEWS = 4 * 1024 * 1024
NEWS_EVERY = 0.5
"""Seconds after news in which no more are read: what a peer sends meanwhile waits, or is overtaken."""
READ_EVERY = 0.02
"""Seconds between two reads of what is no news yet."""
AGAIN, AGAIN_MOST = 0.1, 2.0
"""Seconds until a stream of news that ended is opened anew; doubled while they end soon."""
SOON = 5.0
MOST_SLOTS = 1024
"""Slots of one model that a peer is believed to have."""
HARD: frozenset[Cause] = frozenset({"refused", "broken"})
"""Causes that only a machine gives which lives: no node runs there."""


class Link:
    """One peer as seen from here. Belongs to the node's loop.

    ``discovered`` gives the addresses at which it announces itself; ``changed`` is called after every
    change of presence or catalogue, ``told`` with what the peer says about itself, ``measured`` with every
    round trip in seconds. ``port`` gives this
    node's own port, which the peer is told, so that each finds the other where it has moved.
    """

    def __init__(
        self,
        peer: Peer,
        tls: Tls,
        *,
        discovered: Callable[[], Iterable[str]],
        changed: Callable[[Link, Transition | None], None],
        told: Callable[[Link, Hello, str], None],
        port: Callable[[], int],
        measured: Callable[[Link, float], None],
    ):
        self.peer = peer
        self.presence = Presence()
        self.backend = PeerBackend(peer.fingerprint, peer.name, peer.token)
        self.version: str | None = None
        self.resources: Resources | None = None
        """Of its machine, as it said at the latest probe."""
        self._tls = tls
        self._discovered = discovered
        self._changed = changed
        self._told = told
        self._port = port
        self._measured = measured
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.update(peer)

    def start(self) -> None:
        """Begin to probe and to listen."""
        self._tasks = [asyncio.create_task(self._probe_on()), asyncio.create_task(self._listen_on())]

    async def stop(self) -> None:
        """End it, and cut what runs there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.backend.cut()

    def update(self, peer: Peer) -> None:
        """Take over what changed in the store."""
        self.peer = peer
        backend = self.backend
        backend.token, backend.since = peer.token, peer.paired_at
        backend.in_routing, backend.priority, backend.weight = peer.in_routing, peer.priority, peer.weight
        backend.max_load_percent = peer.max_load_percent

    def look_now(self) -> None:
        """Probe at once: something says that its state changed."""
        self._wake.set()

    def left(self, reason: str) -> None:
        """It said that it leaves."""
        self._turned(self.presence.left(time.monotonic(), reason))
        if self.backend.entries:
            self.backend.entries = ()
            self._changed(self, None)

    async def probe(self) -> float:
        """Ask once, now; the round trip in seconds. Raises :class:`UpstreamFailed`."""
        start = time.monotonic()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT * 2):
                hello = await self._hello()
        except (UpstreamFailed, TimeoutError, OSError) as error:
            hard = isinstance(error, UpstreamFailed) and error.cause in HARD
            reason = "refused the connection" if hard else "does not answer"
            self._turned(self.presence.failed(time.monotonic(), reason, hard=hard))
            raise UpstreamFailed(f"{self.peer.name} {reason}.") from None
        latency = time.monotonic() - start
        self._measured(self, latency)
        self._turned(self.presence.ok(time.monotonic(), latency, hello.boot))
        return latency

    async def _probe_on(self) -> None:
        while True:
            self._wake.clear()
            with contextlib.suppress(BagoError):
                await self.probe()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.presence.interval):  # 3.11's wait_for may lose a cancellation
                    await self._wake.wait()

    async def _hello(self) -> Hello:
        """From the address in use, or else from the first of all known ones that answers."""
        pool = self.backend.pool
        if pool is not None:
            try:
                async with asyncio.timeout(PROBE_TIMEOUT):
                    return await self._ask(pool)
            except (BagoError, TimeoutError):
                if self.presence.state == "online" and not self.presence.suspect:
                    raise
        return await self._find()

    async def _find(self) -> Hello:
        tasks: dict[asyncio.Task[Hello], Pool] = {}
        failures: list[BaseException] = []
        try:
            for host, port in self._candidates():
                pool = Pool(host, port, tls=self._tls.client(self.peer), connect_timeout=PROBE_TIMEOUT)
                tasks[asyncio.create_task(self._ask(pool))] = pool
                hello = await self._first(tasks, failures, STAGGER)
                if hello is not None:
                    return hello
            while tasks:
                hello = await self._first(tasks, failures, None)
                if hello is not None:
                    return hello
        finally:
            for task, pool in tasks.items():
                task.cancel()
                pool.close()
            await asyncio.gather(*tasks, return_exceptions=True)
        hard = [error for error in failures if isinstance(error, UpstreamFailed) and error.cause == "refused"]
        raise (hard or [UpstreamFailed("No known address answers.")])[0]

    async def _first(
        self, tasks: dict[asyncio.Task[Hello], Pool], failures: list[BaseException], wait: float | None
    ) -> Hello | None:
        done, _ = await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            pool = tasks.pop(task)
            error = task.exception()
            if error is None:
                self.backend.reach(pool)
                self._told(self, task.result(), pool.authority)
                return task.result()
            failures.append(error)
            pool.close()
        return None

    def _candidates(self) -> list[tuple[str, int]]:
        texts = [*self.peer.seen_at[:2], *self._discovered(), *self.peer.seen_at[2:], *self.peer.addresses]
        return [address.split(text) for text in address.only_good(texts)]

    async def _ask(self, pool: Pool) -> Hello:
        head = self.backend.head(b"GET", b"/mesh/v1/hello") + b"x-bago-port: %d\r\n\r\n" % self._port()
        exchange = await pool.send(head, b"", PROBE_TIMEOUT)
        try:
            body = await exchange.read_all(MAX_HELLO)
        finally:
            exchange.close()
        if exchange.status != 200:
            raise UpstreamFailed(f"{self.peer.name} answered {exchange.status}.")
        hello = read(body, Hello)
        self.version, self.resources = hello.version, hello.resources
        return hello

    def _turned(self, transition: Transition | None) -> None:
        backend, presence = self.backend, self.presence
        before = backend.health
        if presence.suspect:
            backend.health, backend.reason = "unknown", "it missed the last probes"
        elif presence.state == "online":
            backend.health, backend.reason = "healthy", None
        elif presence.state == "offline":
            backend.health, backend.reason = "unhealthy", presence.reason
        if transition is not None:
            log.info(
                "%s (%s) is %s: %s", self.peer.name, self.peer.short, transition.state, transition.reason
            )
            if transition.state == "offline":
                backend.cut()
        if transition is not None or backend.health != before:
            self._changed(self, transition)

    # -- news

    async def _listen_on(self) -> None:
        wait = AGAIN
        while True:
            pool = self.backend.pool
            if pool is not None and self.presence.state == "online":
                begin = time.monotonic()
                try:
                    await self._listen(pool)
                except (BagoError, TimeoutError) as error:
                    log.debug("news of %s ended: %s", self.peer.name, error)
                self.look_now()
                wait = AGAIN if time.monotonic() - begin > SOON else min(wait * 2, AGAIN_MOST)
            else:
                wait = AGAIN
            await asyncio.sleep(wait)

    async def _listen(self, pool: Pool) -> None:
        head = self.backend.head(b"GET", b"/mesh/v1/events") + b"\r\n"
        exchange: Response = await pool.send(head, b"", PROBE_TIMEOUT * 3)
        if exchange.status != 200:
            exchange.close()
            raise UpstreamFailed(f"{self.peer.name} answered {exchange.status}.")
        latest = Latest(MAX_NEWS)
        try:
            while True:
                async with asyncio.timeout(SILENCE):
                    chunk = await exchange.read()
                if not chunk:
                    return
                line = latest.feed(chunk)
                if line:
                    self._take(read(line, News), pool.authority)
                # what is not read fills the connection, and that makes the peer wait
                await asyncio.sleep(NEWS_EVERY if line else READ_EVERY)
        finally:
            exchange.close()

    def _take(self, news: News, at: str) -> None:
        self._told(self, news.hello, at)
        entries = tuple(map(_offer, news.catalogue))
        if entries != self.backend.entries:
            self.backend.entries = entries
            self._changed(self, None)


def _offer(entry: Entry) -> Offer:
    length = entry.context_length
    return Offer(
        backend="",
        node="",
        model=entry.model,
        tasks=cast("frozenset[Task]", frozenset(entry.tasks)),
        state=entry.state,
        slots=min(MOST_SLOTS, max(1, entry.slots)),
        context_length=length if length and 0 < length <= LONGEST_CONTEXT else None,
        chat=entry.chat,
        digest=entry.digest,
        quantization=entry.quantization,
        created=moment(entry.created),
        peer=True,
    )
