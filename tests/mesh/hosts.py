"""Real nodes on real hosts, each with a client that speaks to its loopback from outside its namespace."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
from lan import Lan, Process

from bago_jupyter.client import NodeClient
from bago_jupyter.identity import Identity
from bago_jupyter.state import Home
from bago_jupyter.trust.tls import client_context
from bago_jupyter.wire import ModelInfo, NodeInfo

T = TypeVar("T")
PATIENCE = 60.0
MESSAGES = [{"role": "user", "content": "Say one word."}]


def until(condition: Callable[[], T], patience: float = PATIENCE, every: float = 0.02) -> T:
    """Wait until ``condition`` gives something true, and return that."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {patience} s"
        time.sleep(every)


class Inside(httpx.BaseTransport):
    """Opens its connections on a host of the LAN."""

    def __init__(self, lan: Lan, host: int):
        self._lan, self._host = lan, host
        self._http = httpx.HTTPTransport(verify=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._lan.inside(self._host):
            return self._http.handle_request(request)

    def close(self) -> None:
        self._http.close()


class Node:
    """A running node, and what the tests ask of it."""

    def __init__(self, lan: Lan, host: int, process: Process, home: Path):
        self.lan, self.host, self.process = lan, host, process
        self.home = Home(home)
        self.file = self.home.read_node()
        assert self.file is not None
        self.client = NodeClient(self.file, transport=Inside(lan, host))
        self.http = httpx.Client(base_url=self.client.url, transport=Inside(lan, host), timeout=120)
        self.fingerprint = self.file.fingerprint
        self.port = self.file.port
        self.name = self.client.status().name

    def close(self) -> None:
        self.client.close()
        self.http.close()
        self.process.close()

    def kill(self) -> float:
        at = self.process.kill()
        self.close()
        return at

    # -- what it sees

    def paired(self, other: Node) -> NodeInfo | None:
        """The other node as a peer of this one."""
        return next((n for n in self.client.nodes() if n.fingerprint == other.fingerprint), None)

    def sees(self, other: Node) -> NodeInfo | None:
        """The other node in the list of discovered ones."""
        return next((n for n in self.client.discovered() if n.fingerprint == other.fingerprint), None)

    def state(self, other: Node) -> str:
        found = self.paired(other)
        return found.state if found else "not paired"

    def offers(self, other: Node) -> list[ModelInfo]:
        found = self.paired(other)
        return found.models if found else []

    def turns(self, other: Node) -> list[str]:
        return [turn.state for turn in self.client.paired(other.fingerprint[3:]).history]

    def models(self, health: str | None = "healthy") -> dict[str, set[str]]:
        """``/v1/models``: which nodes offer each model, in that health."""
        listed = self.http.get("/v1/models").json()["data"]
        found = {
            entry["id"]: {
                place["node"] for place in entry["bago"]["nodes"] if health in (None, place["health"])
            }
            for entry in listed
        }
        return {model: nodes for model, nodes in found.items() if nodes}

    def routes_to(self, other: Node, model: str = "smol") -> bool:
        return other.name in self.models().get(model, ())

    # -- what it does

    def pair(self, other: Node) -> None:
        """Pair by a key of the other; both are online for each other afterwards."""
        self.client.connect(str(other.client.make_key().text))
        both_online(self, other)

    def chat(self, model: str = "smol", **options: Any) -> httpx.Response:
        body = {"model": model, "messages": MESSAGES, "max_tokens": 4, **options}
        return self.http.post("/v1/chat/completions", json=body)

    def log(self) -> str:
        return self.home.log.read_text() if self.home.log.exists() else ""


def both_online(one: Node, two: Node) -> None:
    until(lambda: one.state(two) == two.state(one) == "online")


def key_state(node: Node, id: str) -> str:
    """What became of a connection key that ``node`` made."""
    listed = node.client.keys()
    return next(key.state for key in listed if key.id == id)


class Nodes:
    """Starts nodes on the hosts of one LAN and ends them again."""

    def __init__(self, lan: Lan):
        self.lan = lan
        self.running: list[Node] = []

    def __call__(
        self,
        host: int,
        name: str | None = None,
        *,
        model: Path | None = None,
        home: Path | None = None,
        before: str = "",
        **settings: Any,
    ) -> Node:
        """A node on ``host`` with a home of its own, with ``model`` as ``smol`` in its library.

        ``before`` is Python that runs in its process first: to shrink a deadline.
        """
        if home is None:
            home = Path(tempfile.mkdtemp(prefix=f"{name or 'node'}-", dir=self.lan.folder))
        if model is not None:
            link(home, model)
        settings = {"context_length": 1024, "slots": 2, **settings}
        if name is not None:
            settings["name"] = name
        if before:
            environ = {f"BAGO_{key.upper()}": str(value) for key, value in settings.items()}
            code = f"{before}\nfrom bago_jupyter.cli import main\nmain(['serve'])"
            process = self.lan.python(host, code, BAGO_HOME=str(home), **environ)
            process.info = process.wait_for(lambda message: "port" in message, PATIENCE)
        else:
            process = self.lan.serve(host, home=home, **settings)
        node = Node(self.lan, host, process, home)
        self.running.append(node)
        return node

    def close(self) -> None:
        for node in reversed(self.running):
            node.close()
        self.running.clear()


def link(home: Path, model: Path, name: str = "smol") -> None:
    """Put a model into the library of a home."""
    (home / "models").mkdir(exist_ok=True)
    path = home / "models" / f"{name}.gguf"
    if not path.exists():
        path.symlink_to(model)


@contextlib.contextmanager
def connection(
    lan: Lan, host: int, address: str, port: int, timeout: float = PATIENCE
) -> Iterator[socket.socket]:
    """A TCP connection from ``host``."""
    with lan.inside(host):
        sock = socket.create_connection((address, port), timeout)
    with sock:
        yield sock


def mesh(
    lan: Lan,
    host: int,
    at: Node,
    method: str,
    path: str,
    *,
    identity: Identity | None = None,
    token: str | None = None,
    body: bytes = b"",
) -> tuple[int, bytes]:
    """One raw request of the mesh side of ``at``, as ``identity`` would make it; status and body.

    Raises :class:`OSError` when the connection ends instead.
    """
    context = client_context(identity, at.fingerprint)
    with (
        connection(lan, host, lan.address(at.host), at.port) as sock,
        context.wrap_socket(sock) as tls,
    ):
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
        if token is not None:
            head += f"authorization: Bearer {token}\r\n"
        tls.sendall(head.encode() + b"\r\n" + body)
        return answer(tls)


def answer(sock: socket.socket | ssl.SSLSocket) -> tuple[int, bytes]:
    """Status and raw body of an HTTP answer, read until the connection ends."""
    data = b""
    with contextlib.suppress(TimeoutError):
        while chunk := sock.recv(65536):
            data += chunk
    if not data:
        raise ConnectionResetError("closed without an answer")
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def plain(lan: Lan, source: int, at: Node, path: str, **headers: str) -> httpx.Response:
    """``GET`` over plain HTTP from another host, ``source``."""
    with httpx.Client(transport=Inside(lan, source), timeout=PATIENCE) as http:
        return http.get(f"http://{lan.address(at.host)}:{at.port}{path}", headers=headers)


def token_of(node: Node, other: Node) -> str:
    """The token that ``node`` presents at ``other``, from its 0600 file."""
    peers = json.loads(node.home.read("peers.json") or b"")["peers"]
    return next(peer["token"] for peer in peers if peer["fingerprint"] == other.fingerprint)


def identity_of(node: Node) -> Identity:
    return Identity.open(node.home)
