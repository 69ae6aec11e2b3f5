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
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import BagoError
from ..http1 import Incoming, Response, WholeEvents
from ..http1.limits import HIGH_WATER
from ..pace import Pace
from ..router import Plan, Shape
from ..router.outcome import CANCELLED, OK, Ending, failed
from ..router.shape import Dialect
from . import patience
from .answer import is_stream
from .base import Client, Request
from .body import read_shape
from .books import NONE
from .dialects import Endpoint, error_event
from .dispatch import STOPPING, Dispatcher
from .framed import FramedReply
from .headers import DROPPED, FORWARDED, JSON
from .hushed import hushed_events, hushed_headers, without_key
from .longway import LongWay
from .record import Flight, Record
from .refusing import refuse
from .sound import told_last
from .usage import Usage, tokens_of

log = logging.getLogger("bago.api")

_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_prefix = secrets.token_hex(6)
_count = itertools.count(1)
_LOOKED_AT = 4096
"""Bytes at the beginning of a whole answer in which the first look sees what it is."""
_PARTS: dict[Dialect, bytes] = {
    "chat": b'"choices"',
    "completions": b'"choices"',
    "messages": b'"content"',
    "responses": b'"output"',
    "embeddings": b'"data"',
    "rerank": b'"results"',
}
"""Where an answer has what was asked for."""
_EVENT = re.compile(
    rb"(?:event:(?! ?(?:error|response\.failed))[^\r\n]*\r?\n)?data:(?! ?\[DONE\]) ?[^\s][^\r\n]*\r?\n\r?\n"
)
_NO_ERROR = re.compile(rb'"error"\s*:\s*null')
_ENDS = (b"}", b"}\n", b"]", b"]\n")


class Desk(NamedTuple):
    """Where requests of one kind are handed in."""

    dispatcher: Dispatcher
    pace: Pace
    endpoint: Endpoint
    caller: str
    header_timeout: float
    relayed: bool = False
    """Whether they come from a peer, which hears the answer framed (:mod:`~.framed`)."""


def told_id(given: bytes | None) -> bytes:
    """The id of a request that asks no model and leaves no record; ``given`` is what its client called it."""
    return (
        given
        if given is not None and _ID.fullmatch(given)
        else b"req_%b%x" % (_prefix.encode(), next(_count))
    )


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
        "_client",
        "_dispatcher",
        "_events",
        "_flight",
        "_long",
        "_plan",
        "_response",
        "_timer",
        "_usage",
    )

    def __init__(self, dispatcher: Dispatcher, client: Client, request: Request, shape: Shape):
        Record.__init__(self, request, shape)
        self._dispatcher = dispatcher
        self._client: Client | None = client
        """``None`` when it is over."""
        self._plan: Plan | None = None
        self._flight: Flight | None = None
        self._response: Response | None = None
        """That of the first target, on the short way."""
        self._timer: asyncio.TimerHandle | None = None
        """Until the first attempt is late, where another could begin beside it."""
        self._usage: Usage | None = None
        self._events: WholeEvents | None = None
        """Holds back half events of a stream that has begun."""
        self._long: LongWay | None = None

    def begin(self) -> None:
        """Decide and send, or branch off."""
        dispatcher = self._dispatcher
        try:
            chosen = dispatcher.take(self)
        except BagoError as error:
            self._refuse(error)
            return
        sent = None if chosen.waits else dispatcher.begin(self, chosen)
        self._plan = chosen
        if sent is None:
            self._branch()
            return
        flight, response = self._flight, self._response = sent
        response.listener = self.changed
        if len(chosen.rows) > 1:
            late = patience.until_admission(flight.row, flight.load, self.shape)
            if late is not None:
                self._timer = asyncio.get_running_loop().call_later(late, self._branch)

    # -- the backend

    def changed(self) -> None:
        """Something happened on the backend's connection."""
        response, flight, client = self._response, self._flight, self._client
        if response is None or flight is None or client is None:
            return
        if client.started:
            self._pass_on(response, client)
            return
        status, now = response.status, time.monotonic()
        if status and flight.headers is None:
            flight.headers = now - self.arrived
        if response.error is not None or (status and status != 200):
            self._branch()
        elif response.complete or (
            response.chunks and (self.stream or is_stream(response.header(b"content-type")))
        ):
            if _begins_well(response, self.dialect, self.stream):
                self._answer(response, flight, client, now)
            else:
                self._branch()
        elif response.buffered > HIGH_WATER:  # its connection waits until somebody takes that
            self._branch()

    def writable(self) -> None:
        """The client has caught up."""
        if self._long is not None:
            self._long.writable()
        elif self._response is not None and self._client is not None and self._client.started:
            self._pass_on(self._response, self._client)

    def _answer(self, response: Response, flight: Flight, client: Client, now: float) -> None:
        """The client can be given something: from now on nobody else can answer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        status, plan = response.status, self._plan
        self._dispatcher.books.answered(
            self, flight, status, now, fine=True, alone=plan is not None and len(plan.rows) == 1
        )
        headers = self.heading(response.headers, flight)
        chunk = response.take()
        if response.complete and not self.stream:
            client.respond(status, headers, chunk)
            self._over(OK, tokens_of(chunk))
            return
        usage = self._usage = Usage(self.stream)
        usage.feed(chunk)
        over = response.complete or usage.over
        if self.stream:
            events = self._events = WholeEvents()
            chunk = self._whole(events, chunk, flight, over)
        if over:
            client.respond(status, headers, chunk)
            self._over(OK, usage.tokens())
        else:
            client.start(status, headers, chunk)

    def heading(self, headers: Iterable[tuple[bytes, bytes]], flight: Flight) -> list[tuple[bytes, bytes]]:
        """The headers of the answer, of those that the backend of ``flight`` gave."""
        ours = [
            (b"x-request-id", self.id.encode()),
            (b"x-bago-node", flight.node.encode("ascii", "replace")),
            (b"x-bago-attempts", b"%d" % len(self.attempts)),
        ]
        if self.dialect == "messages":
            ours.append((b"request-id", ours[0][1]))
        own = len(ours)
        for pair in headers:
            if pair[0] not in DROPPED:
                ours.append(pair)  # noqa: PERF401 - a comprehension is one call more on every request's way
        if len(ours) > own + 1 or ours[-1][0] != b"content-type":  # some repeat a key
            ours[own:] = hushed_headers(ours[own:], self._dispatcher.key_of(flight.backend))
        return ours

    def _pass_on(self, response: Response, client: Client) -> None:
        """More of the body is there, or its end."""
        events, usage, flight = self._events, self._usage, self._flight
        if client.paused and response.error is None:
            return  # the response holds its backend back
        chunk, over = response.take(), response.complete
        if usage is not None:
            usage.feed(chunk)
            over = over or usage.over
        if events is not None and flight is not None:
            chunk = self._whole(events, chunk, flight, over)
        if over:
            client.end(chunk)
            self._over(OK)
            return
        if chunk:
            client.write(chunk)
        if response.error is not None:
            if usage is not None and (usage.ended or usage.finished):  # the client has it all
                client.end(b"" if events is None or not usage.ended else events.rest())
                self._over(OK)
                return
            log.warning("%s: %s", self.id, response.error.message)
            self._break(client, response.error)
            self._over(failed(response.error), error=response.error)

    def _whole(self, events: WholeEvents, chunk: bytes, flight: Flight, over: bool) -> bytes:
        """The whole events in ``chunk``, and the rest where the stream is ``over``. Errors repeat no key."""
        chunk = events.feed(chunk)
        if over:
            chunk += events.rest()
        if b"error" in chunk:
            chunk = hushed_events(chunk, self._dispatcher.key_of(flight.backend))
        return chunk

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
        elif self._response is not None:
            self._over(OK if self._usage is not None and self._usage.ended else CANCELLED)

    def stop(self) -> None:
        """The node stops, and the client is told."""
        client = self._client
        if self._long is not None:
            self._long.stop()
        elif self._response is not None and client is not None:
            if client.started:
                self._break(client, STOPPING)
            else:
                refuse(client, STOPPING, self.dialect, self.id)
            self._over(CANCELLED)

    # -- the end

    def _refuse(self, error: BagoError) -> None:
        client = self._client
        self.finished()
        if client is not None:
            refuse(client, error, self.dialect, self.id)

    def _branch(self) -> None:
        """Something is not as usual: go on in a task."""
        response, flight, chosen, client = self._response, self._flight, self._plan, self._client
        assert chosen is not None and client is not None
        self.finished()
        sent = None
        if response is not None and flight is not None:
            response.listener = None
            sent = flight, response
        self._client = client
        self._long = LongWay(self._dispatcher, self, client, chosen, sent)

    def _over(
        self,
        ending: Ending,
        tokens: tuple[int | None, int | None] | None = None,
        error: BagoError | None = None,
    ) -> None:
        """The short way has come to its end: a whole answer, one broken by ``error``, or one given up."""
        response, flight, client, usage = self._response, self._flight, self._client, self._usage
        assert response is not None and flight is not None and client is not None
        response.listener = None
        if not response.complete:
            if ending is OK:
                response.leave()
            else:
                response.close()
        if response.release is not None:
            response.release()
        if ending is OK and usage is not None and usage.failed:
            error = without_key(told_last(usage, flight.node), self._dispatcher.key_of(flight.backend))
            ending = failed(error)
        given = tokens is not None or usage is not None
        if tokens is None:
            tokens = usage.tokens() if usage is not None else NONE
        self.finished()
        status = response.status if given else None
        self._dispatcher.finish(self, flight, status, ending, error, tokens, time.monotonic())

    def finished(self) -> None:
        """Forget all that a record does not need."""
        self._client = self._response = self._flight = self._plan = self._usage = self._events = None
        self._long = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _begins_well(response: Response, dialect: Dialect, stream: bool) -> bool:
    """Whether a client can be given what has come as it is: a whole answer, or the beginning of a stream."""
    chunks = response.chunks
    if not chunks:
        return False
    if len(chunks) > 1:
        chunks = response.chunks = [b"".join(chunks)]
    first, end = chunks[0], _LOOKED_AT
    if response.header(b"content-encoding") is not None:
        return False
    if stream:
        event = _EVENT.match(first)
        if event is None or not is_stream(response.header(b"content-type")):
            return False
        end = event.end()
    elif first[:1] != b"{" or not first.endswith(_ENDS) or first.find(_PARTS[dialect], 0, _LOOKED_AT) < 0:
        return False
    error = first.find(b'"error"', 0, end)
    return error < 0 or _NO_ERROR.match(first, error) is not None
