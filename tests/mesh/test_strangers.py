"""What somebody without pairing or key can do to a node through its one port: nothing that others feel."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest
from lan import Lan
from mesh.hosts import Node, Nodes, both_online, connection, identity_of, token_of
from mesh.watching import (
    PIECE,
    QUICK,
    SETTLED,
    Place,
    Socket,
    answered,
    head,
    is_open,
    opened,
    pour,
    steady,
    unharmed,
    within,
)

CHAT, PAIR, HELLO = "/v1/chat/completions", "/mesh/v1/pair", "/mesh/v1/hello"
HERE, ELSEWHERE = 1, 4
MAX_BODY = 1 << 20
CHUNKED = "transfer-encoding: chunked"
FEW = 1024
"""Descriptors that a node may have where it says so: half of them are for connections."""
LIMITED = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, {FEW}))"
CHUNK = b"%x\r\n%s\r\n" % (PIECE, b"x" * PIECE)


@pytest.fixture
def node(start: Nodes) -> Node:
    """Reachable from the network, without external access, and knowing nobody."""
    return start(HERE, "ada", advertise=True, max_body=MAX_BODY)


# -- framing without an end


LAST = b"2\r\n{}\r\n0\r\n"
ENDLESS = {
    "trailers": (LAST, b"a: b\r\n" * (PIECE // 6)),
    "a trailer": (LAST + b"a: ", b"b" * PIECE),
    "a trailer's name": (LAST, b"a" * PIECE),
    "chunk extensions": (b"", b"1;a=%s\r\nx\r\n" % (b"b" * 8000) * 8),
    "a chunk extension": (b"2;a=", b"b" * PIECE),
    "a chunk size": (b"", b"0" * PIECE),
}
PLACES = {
    "plain": Place(ELSEWHERE, False, CHAT),
    "tls": Place(ELSEWHERE, True, PAIR),
    "own": Place(HERE, False, CHAT),
}


@pytest.mark.parametrize("place", [pytest.param(place, id=name) for name, place in PLACES.items()])
@pytest.mark.parametrize(
    ("start_of_it", "more"), [pytest.param(*sent, id=name) for name, sent in ENDLESS.items()]
)
def test_framing_without_an_end(lan: Lan, node: Node, place: Place, start_of_it: bytes, more: bytes) -> None:
    with unharmed(node) as watch, opened(lan, node, place) as sock:
        sock.sendall(head(place.path, CHUNKED) + start_of_it)
        watch.cut(pour(sock, more))


# -- bodies that nobody wants


REFUSED = {
    "403": (Place(ELSEWHERE, False, CHAT), 403),
    "403-tls": (Place(ELSEWHERE, True, HELLO), 403),
    "404": (Place(HERE, False, "/nothing"), 404),
    "405": (Place(HERE, False, "/v1/models"), 405),
    "413": (Place(HERE, False, CHAT), 413),
    "413-tls": (Place(ELSEWHERE, True, PAIR), 413),
}


@pytest.mark.parametrize("framing", ["content-length: 1000000000000", CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("place", "status"), [pytest.param(*refused, id=name) for name, refused in REFUSED.items()]
)
def test_a_refused_body_is_not_read(lan: Lan, node: Node, place: Place, status: int, framing: str) -> None:
    """The client is told why, and may send a few more buffers full."""
    piece = CHUNK if framing == CHUNKED else b"x" * PIECE
    before = MAX_BODY // PIECE + 1 if status == 413 and framing == CHUNKED else 1
    with unharmed(node) as watch, opened(lan, node, place) as sock:
        sock.sendall(head(place.path, framing) + piece * before)
        said, headers = answered(sock)
        watch.must(said == status, f"answered {said}")
        watch.must(headers.get("connection") == "close", "does not say that it closes")
        watch.cut(pour(sock, piece))


@pytest.mark.parametrize("body", [b"x" * PIECE, CHUNK], ids=["length", "chunked"])
def test_an_answered_request_does_not_go_on(lan: Lan, node: Node, body: bytes) -> None:
    """The answer did not wait for a body that has no end."""
    framing = CHUNKED if body is CHUNK else "content-length: 1000000000000"
    with unharmed(node) as watch, opened(lan, node, Place(HERE, False, "/health")) as sock:
        sock.sendall(head("/health", framing, method="GET") + body)
        watch.must(answered(sock)[0] in (200, 413), "does not answer")
        watch.cut(pour(sock, body))


@pytest.mark.parametrize(
    ("place", "status"), [pytest.param(*REFUSED[name], id=name) for name in ("403", "403-tls", "404", "413")]
)
def test_a_refused_client_sees_an_orderly_end(lan: Lan, node: Node, place: Place, status: int) -> None:
    """What it still sends at that moment does not turn the answer into a reset; and the end has an end."""
    with unharmed(node) as watch, opened(lan, node, place, timeout=5) as sock:
        length = MAX_BODY * 2
        sock.sendall(head(place.path, f"content-length: {length}") + b"x" * (4 * PIECE))
        assert answered(sock)[0] == status
        sock.sendall(b"x" * PIECE)
        assert sock.recv(1) == b""  # neither a reset nor silence
        watch.must(within(SETTLED, watch.is_settled), "waits for a client that hangs on")


@pytest.mark.parametrize("place", [REFUSED["403"][0], REFUSED["403-tls"][0]], ids=["plain", "tls"])
def test_a_refused_stranger_is_hung_up_on(lan: Lan, node: Node, place: Place) -> None:
    """Even where its request is complete: there is nothing else that it may ask."""
    with opened(lan, node, place, timeout=5) as sock:
        sock.sendall(head(place.path, method="GET"))
        status, headers = answered(sock)
        assert (status, headers.get("connection")) == (403, "close")
        assert sock.recv(1) == b""


def test_a_client_of_the_same_machine_goes_on_after_a_mistake(lan: Lan, node: Node) -> None:
    with connection(lan, HERE, "127.0.0.1", node.port, timeout=5) as sock:
        for path, status in (("/nothing", 404), ("/v1/nothing", 404), (CHAT, 405), ("/health", 200)):
            sock.sendall(head(path, method="GET"))
            assert answered(sock)[0] == status
        assert is_open(sock)


# -- crowds


CROWD = 1150
LATE = 20.0
"""Seconds after which no more of a crowd come."""
HALF = b"GET / HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture
def friends(start: Nodes) -> tuple[Node, Node]:
    """Two nodes that are paired, and have all their connections; the second may have few."""
    ada, bob = start(1, "ada"), start(2, "bob", before=LIMITED)
    ada.pair(bob)
    steady(bob, 3)
    return ada, bob


@contextlib.contextmanager
def crowd(lan: Lan, node: Node, place: Place, said: bytes, count: int = CROWD) -> Iterator[list[Socket]]:
    """Connections that each say something and are held, with those that the node closes."""
    end = time.monotonic() + LATE
    with contextlib.ExitStack() as held:
        came: list[Socket] = []
        for _ in range(count):
            if time.monotonic() > end:
                break
            with contextlib.suppress(OSError):
                came.append(held.enter_context(opened(lan, node, place, timeout=1)))
                came[-1].sendall(said)
        yield came


@pytest.mark.parametrize(
    ("place", "said"),
    [
        pytest.param(Place(ELSEWHERE, False, "/"), HALF + b"\r\n", id="refused"),
        pytest.param(Place(ELSEWHERE, True, HELLO), head(HELLO, method="GET"), id="refused-tls"),
        pytest.param(Place(ELSEWHERE, False, "/"), HALF, id="half a request"),
        pytest.param(Place(ELSEWHERE, True, "/"), HALF, id="half a request-tls"),
    ],
)
def test_a_crowd_locks_nobody_out(lan: Lan, friends: tuple[Node, Node], place: Place, said: bytes) -> None:
    """With fewer descriptors than strangers; its log does not fill with them either."""
    ada, bob = friends
    identity, token, turns = identity_of(ada), token_of(ada, bob), ada.turns(bob)
    with unharmed(bob) as watch:
        with crowd(lan, bob, place, said) as came:
            begin, status = time.monotonic(), 0
            hello = Place(1, True, HELLO)
            with (
                contextlib.suppress(OSError, AssertionError),
                opened(lan, bob, hello, timeout=5, identity=identity) as sock,
            ):
                sock.sendall(head(HELLO, f"authorization: Bearer {token}", method="GET"))
                status, _ = answered(sock)
            took = time.monotonic() - begin
            watch.must(status == 200 and took <= QUICK, f"a friend got {status} after {took:.1f} s")
            few = within(5, lambda: sum(map(is_open, came)) <= FEW // 2)
            watch.must(few, f"holds {sum(map(is_open, came))} connections of one address")
        watch.must(len(watch.said()) <= 5, f"{len(watch.said())} lines in the log")
    assert ada.turns(bob) == turns
    both_online(ada, bob)


def test_there_is_no_crowd_on_the_own_machine(lan: Lan, start: Nodes) -> None:
    """A notebook may hold as many connections as it likes, up to what the node can hold at all."""
    node = start(HERE, "ada", advertise=True, before=LIMITED)
    asked = head("/health", method="GET")
    with unharmed(node), crowd(lan, node, Place(HERE, False, "/health"), asked, 400) as came:
        for sock in came:
            assert answered(sock)[0] == 200
        for sock in came:
            sock.sendall(asked)
            assert answered(sock)[0] == 200


STREAMS = 300
EVENTS = "/mesh/v1/events"


def test_streams_of_one_friend(lan: Lan, friends: tuple[Node, Node]) -> None:
    """The newest two are told the news, and the others cost nothing."""
    ada, bob = friends
    identity, asked = (
        identity_of(ada),
        head(EVENTS, f"authorization: Bearer {token_of(ada, bob)}", method="GET"),
    )
    ada.kill()  # its own streams would be among them
    assert within(30, lambda: bob.state(ada) != "online")
    with unharmed(bob) as watch, contextlib.ExitStack() as held:
        streams: list[Socket] = []
        for _ in range(STREAMS):
            place = Place(1, True, EVENTS)
            streams.append(held.enter_context(opened(lan, bob, place, identity=identity)))
            streams[-1].sendall(asked)
            streams[-1].recv(PIECE)  # at least the head
        watch.must(
            within(SETTLED, lambda: sum(map(is_open, streams)) <= 2),
            f"{sum(map(is_open, streams))} streams are open",
        )
        worked = watch.worked()
        time.sleep(5)
        share = (watch.worked() - worked) / 5
        watch.must(share <= 0.05, f"{share:.0%} of a core for nothing")
        for sock in streams[-2:]:
            sock.settimeout(5)
            watch.must(sock.recv(PIECE), "the newest are not alive")
