"""One request of a client and the answer to it, driven by what happens on both connections.

The first attempt is sent in the call that hands the request over: the shape is read, somebody is chosen, a
slot reserved and the request written. Then the connections call :meth:`Exchange.changed` (the backend's,
after each read), :meth:`Exchange.writable`, :meth:`Exchange.gone` and :meth:`Exchange.stop` (the client's).
Whatever is not as usual - a slot to wait for, a model to load, a translation, a failure before the first
byte, an answer that is late - branches off: a task (:mod:`~.longway`) goes on from where things stand.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from typing import NamedTuple

from ..errors import BagoError
from ..http1 import Incoming, WholeEvents
from ..pace import Pace
from ..router import Plan, Shape
from ..router.outcome import CANCELLED, OK, failed
from . import patience
from .answer import WHOLE, is_stream
from .base import Begun, Client, Request
from .body import read_shape
from .dialects import Endpoint, error_event
from .dispatch import STOPPING, Dispatcher
from .flight import Flight
from .framed import FramedReply
from .headers import DROPPED, FORWARDED, JSON
from .longway import LongWay
from .record import Record
from .refusing import refuse
from .usage import Usage

log = logging.getLogger("bago.api")

_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_prefix = secrets.token_hex(6)
_count = itertools.count(1)


class Desk(NamedTuple):
    """Where requests of one kind are handed in."""

    dispatcher: Dispatcher
    pace: Pace
    endpoint: Endpoint
    caller: str
    header_timeout: float
    relayed: bool = False
    """Whether they come from a peer, which hears the answer framed (:mod:`~.framed`)."""


def serve(desk: Desk, incoming: Incoming) -> None:
    """Answer one request, now or later; whatever goes wrong is answered in its dialect."""
    dispatcher, pace, endpoint, caller, header_timeout, relayed = desk
    first = incoming.first
    given = first.get(b"x-request-id")
    if given is not None and _ID.fullmatch(given) and given.decode() not in dispatcher.records.kept:
        id = given.decode()
    else:
        id = f"req_{_prefix}{next(_count):x}"
    try:
        shape = read_shape(incoming.body, endpoint, caller, relayed=relayed)
    except BagoError as error:
        refuse(incoming, error, endpoint.dialect, id)
        return
    headers = [JSON]
    for name in FORWARDED:
        value = first.get(name)
        if value is not None:
            headers.append((name, value))
    request = Request(
        id=id,
        path=endpoint.path,
        body=incoming.body,
        model=shape.model,
        dialect=shape.dialect,
        stream=shape.stream,
        headers=headers,
        header_timeout=header_timeout,
    )
    if pace.resting:
        pace.wake()
    if relayed:
        reply = FramedReply(incoming)
        reply.owner = exchange = Exchange(dispatcher, reply, request, shape)
    else:
        incoming.owner = exchange = Exchange(dispatcher, incoming, request, shape)
    exchange.begin()


class Exchange(Record):
    """One request under way, and then its record. Belongs to the node's loop."""

    __slots__ = (
        "_begun",
        "_client",
        "_dispatcher",
        "_events",
        "_flight",
        "_long",
        "_plan",
        "_timer",
        "_usage",
    )

    def __init__(self, dispatcher: Dispatcher, client: Client, request: Request, shape: Shape):
        super().__init__(request, shape)
        self._dispatcher = dispatcher
        self._client: Client | None = client
        """``None`` when it is over."""
        self._plan: Plan | None = None
        self._flight: Flight | None = None
        self._begun: Begun | None = None
        """What the first target was sent, on the short way."""
        self._long: LongWay | None = None
        self._timer: asyncio.TimerHandle | None = None
        """Until the first attempt is late, where another could begin beside it."""
        self._usage: Usage | None = None
        self._events: WholeEvents | None = None
        """Holds back half events of a stream that has begun."""

    def begin(self) -> None:
        """Decide and send, or branch off."""
        dispatcher, client = self._dispatcher, self._client
        assert client is not None
        try:
            chosen = self._plan = dispatcher.take(self)
        except BagoError as error:
            refuse(client, error, self.dialect, self.id)
            self.finished()
            return
        sent = None if chosen.waits else dispatcher.begin(self, chosen)
        if sent is None:
            self._branch()
            return
        flight, begun = self._flight, self._begun = sent
        begun.response.listener = self.changed
        if len(chosen.rows) > 1:
            late = patience.until_admission(flight.row, flight.load, self.shape)
            if late is not None:
                self._timer = asyncio.get_running_loop().call_later(late, self._branch)

    # -- the backend

    def changed(self) -> None:
        """Something happened on the backend's connection."""
        begun, flight, client = self._begun, self._flight, self._client
        if begun is None or flight is None or client is None:
            return
        response = begun.response
        if client.started:
            self._pass_on(begun, client)
            return
        status = response.status
        if not status and response.error is None:
            return
        if flight.headers is None and status:
            flight.headers = time.monotonic() - self.arrived
        if response.error is not None or not 200 <= status < 300:
            self._branch()
        elif response.complete or (
            response.chunks and (response.buffered >= WHOLE or is_stream(response.header(b"content-type")))
        ):
            self._answer(begun, flight, client)

    def writable(self) -> None:
        """The client has caught up."""
        if self._long is not None:
            self._long.writable()
        elif self._begun is not None and self._client is not None and self._client.started:
            self._pass_on(self._begun, self._client)

    def _answer(self, begun: Begun, flight: Flight, client: Client) -> None:
        """The client can be given something: from now on nobody else can answer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        response, plan = begun.response, self._plan
        alone = plan is not None and len(plan.rows) == 1
        self._dispatcher.books.answered(self, flight, response.status, fine=True, alone=alone)
        headers = self.heading(response.headers, flight)
        chunk = response.take()
        usage = self._usage = Usage(self.stream)
        usage.feed(chunk)
        if response.complete:
            client.respond(response.status, headers, chunk)
            self._over(begun, flight)
            return
        if self.stream:
            self._events = WholeEvents()
            chunk = self._events.feed(chunk)
        client.start(response.status, headers, chunk)

    def heading(self, headers: list[tuple[bytes, bytes]], flight: Flight) -> list[tuple[bytes, bytes]]:
        """The headers of the answer, of those that the backend of ``flight`` gave."""
        ours = [
            (b"x-request-id", self.id.encode()),
            (b"x-bago-node", flight.node.encode("ascii", "replace")),
            (b"x-bago-attempts", b"%d" % len(self.attempts)),
        ]
        for pair in headers:
            if pair[0] not in DROPPED:
                ours.append(pair)  # noqa: PERF401 - a comprehension is one call more on every request's way
        return ours

    def _pass_on(self, begun: Begun, client: Client) -> None:
        """More of the body is there, or its end."""
        response, events, usage = begun.response, self._events, self._usage
        if client.paused and response.error is None:
            return  # the response holds its backend back
        chunk = response.take()
        if chunk and usage is not None:
            usage.feed(chunk)
        if events is not None:
            chunk = events.feed(chunk)
        if response.complete:
            client.end(chunk + events.rest() if events is not None else chunk)
            self._over(begun, self._flight)
            return
        client.write(chunk)
        if response.error is not None:
            log.warning("%s: %s", self.id, response.error.message)
            self._break(client, response.error)
            self._over(begun, self._flight, response.error)

    def _break(self, client: Client, error: BagoError) -> None:
        """End an answer that has begun with ``error``."""
        if self.stream:
            client.end(error_event(error, self.dialect))
        else:
            client.abort()

    # -- the client

    def gone(self) -> None:
        """The client went away."""
        if self._long is not None:
            self._long.gone()
        elif self._begun is not None:
            self._over(self._begun, self._flight)

    def stop(self) -> None:
        """The node stops, and the client is told."""
        begun, client = self._begun, self._client
        if self._long is not None:
            self._long.stop()
        elif begun is not None and client is not None:
            if client.started:
                self._break(client, STOPPING)
            else:
                refuse(client, STOPPING, self.dialect, self.id)
            self._over(begun, self._flight)

    # -- the end

    def _branch(self) -> None:
        """Something is not as usual: go on in a task."""
        begun, flight, chosen, client = self._begun, self._flight, self._plan, self._client
        assert chosen is not None and client is not None
        self.finished()
        sent = None
        if begun is not None and flight is not None:
            begun.response.listener = None
            sent = flight, begun
        self._client = client
        self._long = LongWay(self._dispatcher, self, client, chosen, sent)

    def _over(self, begun: Begun, flight: Flight | None, error: BagoError | None = None) -> None:
        """The short way has come to its end: a whole answer, one broken by ``error``, or one given up."""
        assert flight is not None
        response, usage = begun.response, self._usage
        response.listener = None
        if not response.complete:
            response.close()
        begun.release()
        if error is not None:
            ending = failed(error)
        else:
            ending = OK if response.complete or (usage is not None and usage.ended) else CANCELLED
        tokens = usage.tokens() if usage is not None else (None, None)
        self.finished()
        self._dispatcher.finish(
            self, flight, response.status if usage is not None else None, ending, error, tokens
        )

    def finished(self) -> None:
        """Forget all that a record does not need."""
        if self._timer is not None:
            self._timer.cancel()
        self._client = self._plan = self._flight = self._begun = self._long = None
        self._timer = self._usage = self._events = None
