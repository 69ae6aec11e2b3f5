"""An application that answers as it is told, and checks what it is handed; and what a client hears."""

from __future__ import annotations

from functools import partial

import httptools
from http1.asks import LIMITS, NO, OTHER, Ask
from http1.wire import Clock, Door, Loop, Watch, Wire

from bago_jupyter.errors import BagoError, NotFound
from bago_jupyter.http1 import Admission, Incoming
from bago_jupyter.http1.server import ServerConnection

AUTHORIZATION = b"authorization"


class Answer:
    """One answer, and who owns the request as long as it is under way."""

    def __init__(self, desk: Desk, index: int, incoming: Incoming):
        self.index = index
        self.incoming = incoming
        self.status = 0
        self.body = b""
        self.whole = self.aborted = self.until_end = self.last = self.hasty = False
        """The last two: the connection ends with it; it ends as soon as the client reads."""
        self.gones = self.stops = self.writables = 0
        self._desk = desk

    def gone(self) -> None:
        self.gones += 1
        self._desk.expect(not self.whole, f"the client of answer {self.index} is gone after it was whole")
        self._desk.expect(self.incoming.answered, "whoever is told of a leaving may still answer")
        self._desk.over(self)

    def stop(self) -> None:
        self.stops += 1
        if self.status:
            self.end(b"stop")
        else:
            self.respond(503, b"stop")

    def writable(self) -> None:
        self.writables += 1
        self._desk.expect(not self.whole, "a whole answer is told that it may go on")
        if self.hasty and self.status:
            self.end(b"at last")

    def respond(self, status: int, body: bytes) -> None:
        self._begin(status, body)
        self._finish()
        self.incoming.respond(status, [(b"x-i", b"%d" % self.index)], body)

    def start(self, body: bytes, measured: bool = False, size: int = 0) -> None:
        self._begin(200, body)
        self.until_end = self.incoming.old and not measured
        length = [(b"content-length", b"%d" % size)] if measured else []
        self.incoming.start(200, [(b"x-i", b"%d" % self.index), *length], body)

    def write(self, body: bytes) -> None:
        self.body += body
        self.incoming.write(body)

    def end(self, body: bytes = b"") -> None:
        self.body += body
        self._finish()
        self.incoming.end(body)

    def abort(self) -> None:
        self.aborted = True
        self._desk.over(self)
        self.incoming.abort()

    def at_once(self, way: str) -> None:
        """The whole of it, in one of the ways of :data:`~http1.asks.WAYS`."""
        said = b"answer %d" % self.index
        if way == "whole":
            self.respond(200, said)
        elif way == "bodiless":
            self.respond(204, b"")
        else:
            self.start(said, way == "measured", len(said) + 5)
            self.write(b", so")
            self.end(b"!")

    def _begin(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body
        self.last = self._desk.final == self.index

    def _finish(self) -> None:
        self.whole = True
        self._desk.quiet_since = self._desk.clock.now
        self._desk.over(self)


class Desk:
    """The application of one connection. What it finds wrong is in :attr:`wrong`."""

    telling = (b"host", AUTHORIZATION, b"expect")

    def __init__(self, loop: Loop, clock: Clock, host: str, half: bool):
        self.clock = clock
        self.epoch = 0
        self.asked: list[Ask] = []
        self.arrived = 0
        """Bytes of all that was asked."""
        self.final: int | None = None
        """The last request that may come here."""
        self.told = 0
        """Requests that came here."""
        self.quiet_since = 0.0
        """When an answer was whole, and the client had read the most of it."""
        self.open: Answer | None = None
        self.answers: list[Answer] = []
        self.wrong: list[str] = []
        self.door, self.sweep = Door(), Watch()
        self.connection = ServerConnection(self, self.door, self.sweep, lambda tls: None, (host, 1))  # type: ignore[arg-type]
        self.wire = Wire(loop, clock, self.connection, half)
        self.connection.connection_made(self.wire)  # type: ignore[arg-type]
        self._failing: Answer | None = None

    def expect(self, right: bool, what: str) -> None:
        if not right:
            self.wrong.append(what)

    def over(self, answer: Answer) -> None:
        if self.open is answer:
            self.open = None

    # -- Application

    def admit(self, incoming: Incoming) -> Admission:
        if AUTHORIZATION in incoming.first:
            incoming.known()
        path = incoming.target.decode()
        if path == NO:
            raise NotFound("no")
        serve = partial(self._serve, (self.epoch, path, AUTHORIZATION in incoming.first))
        return Admission(serve, LIMITS.get(path, OTHER), path == "/lasting")

    def refuse(self, incoming: Incoming, error: Exception) -> None:
        if self._failing is not None:
            answer, self._failing = self._failing, None
            answer.respond(500, b"failed")
            return
        self.expect(isinstance(error, BagoError) and 400 <= error.status < 500, f"refused for {error!r}")
        ask = self._next(incoming)
        self.expect(ask is None or not ask.served, f"request {self.told - 1} is refused: {error}")
        self._answer(incoming).respond(getattr(error, "status", 400), b"no")

    def _serve(self, admitted: tuple[int, str, bool], incoming: Incoming) -> None:
        ask = self._next(incoming)
        if ask is None:
            return
        self.expect(ask.served, f"request {self.told - 1} is served")
        self.expect(incoming.arrived and incoming.body == ask.body, f"another body: {incoming.body[:50]!r}")
        self.expect(len(incoming.body) <= ask.limit, "a body over its limit")
        shown = (ask.epoch, ask.path, ask.shows)
        self.expect(admitted == shown, f"admitted as {admitted}, and is {shown}")
        self.expect((AUTHORIZATION in incoming.first) == ask.shows, "a trailer is taken for a header")
        answer = self._answer(incoming)
        incoming.owner = answer
        if ask.way == "fails":
            self._failing = answer
            raise RuntimeError("fails")
        if ask.way is not None:
            answer.at_once(ask.way)

    def _next(self, incoming: Incoming) -> Ask | None:
        """What was asked by the one that comes now."""
        index, self.told = self.told, self.told + 1
        self.expect(self.open is None, f"request {index} comes while another is answered")
        self.expect(
            not (self.wire.closed in ("close", "abort") or self.wire.eof), f"{index} comes after the end"
        )
        self.expect(not self.wire.lost, f"request {index} comes after its client went")
        self.expect(self.final is None or index <= self.final, f"request {index} comes after the last")
        known = index < len(self.asked) and self.asked[index].start < self.arrived
        self.expect(known, f"request {index} was never asked")
        return self.asked[index] if known else None

    def _answer(self, incoming: Incoming) -> Answer:
        self.open = answer = Answer(self, self.told - 1, incoming)
        self.answers.append(answer)
        return answer


class Said:
    """One answer as a client hears it."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False


class Heard:
    """A client's parser."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._at = 0
        self._all: list[Said] = []

    def hear(self, written: bytearray) -> None:
        """Read what is new of all that was written."""
        if self._at < len(written):
            self._parser.feed_data(bytes(written[self._at :]))
            self._at = len(written)

    @property
    def answers(self) -> list[Said]:
        return [said for said in self._all if said.status >= 200]

    @property
    def leaves(self) -> list[int]:
        """Which answers a ``100 Continue`` stands before."""
        finals, found = 0, []
        for said in self._all:
            finals += said.status >= 200
            if said.status == 100:
                found.append(finals)
        return found

    def on_message_begin(self) -> None:
        self._all.append(Said())

    def on_header(self, name: bytes, value: bytes) -> None:
        self._all[-1].headers[name] = value

    def on_headers_complete(self) -> None:
        self._all[-1].status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._all[-1].body += body

    def on_message_complete(self) -> None:
        self._all[-1].complete = True
