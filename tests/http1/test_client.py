"""A response, cut into pieces at every byte, and ended at every byte."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import pytest
from http1.wire import Loop, Watch, Wire

from bago_jupyter.http1.client import Connection, Response
from bago_jupyter.http1.state import IDLE

BODY = b"data: one\n\ndata: two\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKS = b"b;a=b\r\n" + BODY[:11] + b"\r\nB\r\n" + BODY[11:] + b"\r\n0\r\nx-sum: 1\r\n\r\n"
ANSWERS = {
    "measured": HEAD + b"Content-Length: 22\r\n\r\n" + BODY,
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "after 100 and 103": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    + HEAD
    + b"Content-Length: 22\r\n\r\n"
    + BODY,
    "closing": HEAD + b"Connection: close\r\nContent-Length: 22\r\n\r\n" + BODY,
    "without a length": HEAD + b"\r\n" + BODY,
}
KEPT = ("measured", "chunked", "after 100 and 103")


class Exchange:
    """One request on a connection of its own, and what came of it."""

    def __init__(self) -> None:
        self.idle: list[Connection] = []
        self.lost: list[Connection] = []
        self.loop = Loop()
        self.connection = Connection(Watch(), self.idle, self.lost.append)  # type: ignore[arg-type]
        self.wire = Wire(self.loop, None, self.connection, half=True)  # type: ignore[arg-type]
        self.connection.connection_made(self.wire)  # type: ignore[arg-type]
        self.response: Response = self.connection.send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", b"", 30.0)
        self.calls = 0
        self.body = b""
        self.response.listener = self.heard

    def heard(self) -> None:
        self.calls += 1
        if self.response.chunks:
            self.body += self.response.take()

    def arrive(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.connection.data_received(piece)

    def leave(self, error: Exception | None = None) -> None:
        self.wire.leave(error)
        self.loop.run()


@pytest.mark.parametrize("name", ANSWERS)
def test_it_is_the_same_however_it_is_cut(name: str) -> None:
    answer = ANSWERS[name]
    cuts: list[tuple[int, ...]] = [(), *((at,) for at in range(1, len(answer)))]
    cuts += combinations(range(1, len(answer), 7), 2)
    cuts.append(tuple(range(1, len(answer))))
    for cut in cuts:
        points = (0, *cut, len(answer))
        exchange = Exchange()
        exchange.arrive(*(answer[start:stop] for start, stop in pairwise(points)))
        if name == "without a length":
            assert not exchange.response.complete
            exchange.leave()
        response = exchange.response
        assert (response.status, exchange.body, response.complete) == (200, BODY, True), cut
        assert response.error is None
        assert exchange.idle == ([exchange.connection] if name in KEPT else []), cut
        assert bool(exchange.wire.closed) is (name not in KEPT)


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("name", ANSWERS)
def test_one_that_ends_before_its_end_is_an_error(name: str, how: str) -> None:
    answer = ANSWERS[name]
    for at in range(len(answer)):
        exchange = Exchange()
        exchange.arrive(*([answer[:at]] if at else []))
        exchange.leave(ConnectionResetError() if how == "reset" else None)
        response = exchange.response
        assert exchange.lost == [exchange.connection] and not exchange.idle
        if name == "without a length" and how == "closed" and response.status:
            assert response.complete and response.error is None
            continue
        assert response.error is not None and not response.complete, at
        assert response.error.cause == "broken"
        assert response.received is bool(at)
        assert BODY.startswith(exchange.body)
        assert exchange.calls, "whoever waits is told"


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("more", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"])
def test_what_comes_behind_it_spoils_the_connection_alone(name: str, more: bytes) -> None:
    for together in (True, False):
        exchange = Exchange()
        exchange.arrive(*([ANSWERS[name] + more] if together else [ANSWERS[name], more]))
        exchange.loop.run()
        assert exchange.response.complete and exchange.body == BODY
        assert exchange.wire.closed == "abort" and exchange.connection.state is not IDLE


def test_a_response_that_is_closed_takes_its_connection_with_it() -> None:
    answer: Any = ANSWERS["chunked"]
    for at in range(len(answer)):
        exchange = Exchange()
        exchange.arrive(*([answer[:at]] if at else []))
        exchange.response.close()
        exchange.loop.run()
        assert exchange.wire.closed == "abort"
        assert exchange.lost == [exchange.connection] and not exchange.idle
