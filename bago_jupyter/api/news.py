"""The streams of news that paired nodes hold open: one encoding for all of them."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from ..backends.framed import HEARTBEAT
from ..http1 import Incoming
from ..mesh import Mesh
from ..trust.peers import Peer

PER_PEER = 2
"""Streams of one peer: the one that it has, and the one that it opens before it closes that."""
BEHIND = 1 << 20
"""Bytes that may wait for a peer which does not read, before the last line."""


class News:
    """The catalogue to every peer that listens: now, and at every change; a line feed in between.

    Belongs to the node's loop; its task runs while somebody listens.
    """

    def __init__(self, mesh: Mesh):
        self._mesh = mesh
        self._streams: dict[str, list[_Stream]] = {}
        """By fingerprint, the oldest first."""
        self._task: asyncio.Task[None] | None = None
        self._latest = b""

    def open(self, peer: Peer, incoming: Incoming) -> None:
        """Begin a stream; the oldest of a peer that has too many is closed."""
        streams = self._streams.setdefault(peer.fingerprint, [])
        while len(streams) >= PER_PEER:
            streams.pop(0).incoming.abort()
        stream = _Stream(self, peer.fingerprint, incoming)
        incoming.owner = stream
        streams.append(stream)
        if self._task is None:
            self._latest = msgspec.json.encode(self._mesh.latest())
            self._task = asyncio.get_running_loop().create_task(self._tell_on())
        incoming.start(200, [(b"content-type", b"application/x-ndjson")], self._latest + b"\n")

    def left(self, stream: _Stream) -> None:
        """A stream has ended."""
        streams = self._streams.get(stream.fingerprint, [])
        if stream in streams:
            streams.remove(stream)
        if not streams:
            self._streams.pop(stream.fingerprint, None)
        if not self._streams and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _tell_on(self) -> None:
        mesh = self._mesh
        while True:
            async with mesh.news:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        await mesh.news.wait()
            latest = msgspec.json.encode(mesh.latest())
            line = b"\n" if latest == self._latest else latest + b"\n"
            self._latest = latest
            for streams in list(self._streams.values()):
                for stream in list(streams):
                    stream.tell(line)


class _Stream:
    """One of them, as the owner of its request."""

    def __init__(self, news: News, fingerprint: str, incoming: Incoming):
        self.fingerprint = fingerprint
        self.incoming = incoming
        self._news = news
        self._behind = 0

    def tell(self, line: bytes) -> None:
        """Send ``line``; a peer that does not read is given up."""
        waiting = self._behind if self.incoming.paused else 0
        if waiting > BEHIND:  # a single line may be longer
            self._news.left(self)
            self.incoming.abort()
        else:
            self._behind = waiting + len(line)
            self.incoming.write(line)

    def gone(self) -> None:
        self._news.left(self)

    def stop(self) -> None:
        self._news.left(self)
        self.incoming.end()

    def writable(self) -> None:
        self._behind = 0
