"""One client's visit: what it sends, how much of it arrived, and what has to come of that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from http1.asks import Ask
from http1.desk import Desk, Heard
from http1.wire import Clock, Loop

from bago_jupyter.http1 import limits
from bago_jupyter.http1.state import CLOSED

STRANGER = "203.0.113.9"


class Visit:
    """A connection, its application, and the client's side of both."""

    def __init__(self, loop: Loop, clock: Clock, host: str, half: bool):
        self.loop, self.clock = loop, clock
        self.desk = Desk(loop, clock, host, half)
        self.wire, self.connection = self.desk.wire, self.desk.connection
        self.heard = Heard()
        self.stranger = host == STRANGER
        self.made = clock.now
        self.waiting = b""
        """What was sent and did not arrive."""
        self.stopping = self.hung_up = self.ended = False
        """The server ends what is under way; it ended everything; the connection said that it is closed."""
        self._unknown = self.stranger

    def ask(self, ask: Ask) -> None:
        """Send it; it arrives later."""
        desk = self.desk
        if not ask.bad:
            self._unknown = self._unknown and not ask.shows
        ask.judge(self._unknown)
        if desk.final is None and ask.ends:
            desk.final = len(desk.asked)
        ask.start = desk.arrived + len(self.waiting)
        desk.asked.append(ask)
        self.waiting += ask.data

    def arrive(self, cuts: Sequence[int], part: bool = False, turns: bool = False) -> None:
        """What waits arrives, cut into pieces: all of it or, with ``part``, all but the last piece."""
        data, self.waiting = self.waiting, b""
        points = sorted({0, len(data), *(cut % len(data) for cut in cuts)}) if data else [0]
        for start, stop in pairwise(points):
            if turns:
                self.loop.run()
            if not self.wire.reading or (part and stop == len(data) and start):
                self.waiting = data[start:]
                return
            if self.wire.closed:
                return
            self.deliver(data[start:stop])

    def deliver(self, data: bytes) -> None:
        """``data`` arrives."""
        desk = self.desk
        first = self.complete
        desk.arrived += len(data)
        for ask in desk.asked[first:]:
            if ask.start < desk.arrived and not ask.begun:
                ask.begun = self.clock.now
            if ask.start + ask.head <= desk.arrived and not ask.complete:
                ask.complete, ask.epoch = self.clock.now, desk.epoch
        self.connection.data_received(data)
        self._overflow()

    @property
    def current(self) -> int:
        """The request that is answered, or is about to be."""
        return self.desk.told - (self.desk.open is not None)

    @property
    def busy(self) -> bool:
        """Whether something is answered."""
        return self.connection.answering is not None

    @property
    def behind(self) -> int:
        """Requests that wait for their turn."""
        return self.due - self.current - self.busy

    @property
    def complete(self) -> int:
        """Requests that have arrived to their last byte."""
        asked, arrived = self.desk.asked, self.desk.arrived
        at = self.desk.told
        while at and asked[at - 1].end > arrived:
            at -= 1
        while at < len(asked) and asked[at].end <= arrived:
            at += 1
        return at

    @property
    def due(self) -> int:
        """Requests that have to come to the application in the end."""
        final = self.desk.final
        return self.complete if final is None else min(self.complete, final + 1)

    @property
    def partial(self) -> Ask | None:
        """The request of which a part has arrived."""
        asked, at = self.desk.asked, self.complete
        return asked[at] if at < len(asked) and asked[at].start < self.desk.arrived else None

    @property
    def in_body(self) -> bool:
        """Whether a part of a body has arrived."""
        partial = self.partial
        return partial is not None and partial.start + partial.head <= self.desk.arrived

    @property
    def in_head(self) -> bool:
        """Whether a part of a head has arrived, more than empty lines."""
        partial = self.partial
        if partial is None or self.in_body:
            return False
        return bool(partial.data[: self.desk.arrived - partial.start].strip(b"\r\n"))

    @property
    def alive(self) -> bool:
        """Whether the connection has no reason to be closed."""
        return not self.over and self.connection.state is not CLOSED

    @property
    def over(self) -> bool:
        """Whether nothing more is said on the connection, though it may stay for a moment (RFC 9112, 9.6)."""
        desk = self.desk
        refused = desk.final is not None and desk.told > desk.final and not desk.asked[desk.final].served
        return bool(self.wire.closed or self.wire.eof or (refused and not self.wire.half and not desk.open))

    @property
    def cut_after(self) -> float:
        """The time before which the sweep has to leave it alone."""
        partial, busy = self.partial, self.busy
        if self.over:
            return 0.0
        if self.wire.full:
            return self.wire.full_at + limits.BODY
        if partial is not None and partial.bad:
            return math.inf if busy and self.connection.state is CLOSED else 0.0
        if self.in_body and self.connection.state is not CLOSED:
            return partial.complete + limits.BODY
        if busy:
            return math.inf
        if not self.desk.told:
            return self.made + limits.HEAD
        if partial is not None:
            return partial.begun + limits.HEAD
        return self.desk.quiet_since + limits.KEEP_ALIVE

    def _overflow(self) -> None:
        """One that waits where too many do is refused."""
        desk = self.desk
        many = self.current + self.busy + limits.PIPELINED
        if (self.busy or self.wire.full) and many < self.due:
            desk.asked[many].served, desk.asked[many].unread = False, True
            desk.final = many
