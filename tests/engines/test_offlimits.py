"""What a peer cannot have a node fetch: real servers on loopback, real names, real redirects."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from engines.making import gguf_bytes
from webserver import WebServer

from bago_jupyter.engines.download import download
from bago_jupyter.engines.offlimits import Guard, off_limits
from bago_jupyter.engines.pull import pull
from bago_jupyter.errors import BagoError, Forbidden

DATA = gguf_bytes()
PUBLIC = "93.184.215.14"


class Server(WebServer):
    """Serves a model, or sends elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere: str | None = None
        self.asked: list[str] = []

    def get(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        request.send_response(302 if self.elsewhere else 200)
        if self.elsewhere:
            request.send_header("location", self.elsewhere)
        request.send_header("content-length", "0" if self.elsewhere else str(len(DATA)))
        request.end_headers()
        if not self.elsewhere:
            request.wfile.write(DATA)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Server]:
    with Server() as server:
        yield server


def port(server: Server) -> str:
    return server.address.rpartition(":")[2]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "127.8.8.8",
        "localhost",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ],
)
def test_this_machine_by_any_name(server: Server, tmp_path: Path, host: str) -> None:
    url = f"http://{host}:{port(server)}/m.gguf"
    with pytest.raises(Forbidden, match="its owner can pull that here"):
        asyncio.run(pull(url, tmp_path, by_peer=True))
    assert server.asked == []
    assert asyncio.run(pull(f"{server.address}/m.gguf", tmp_path)) == "m"  # the owner may


@pytest.mark.parametrize("proxied", [False, True])
def test_a_name_that_changes_its_mind(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxied: bool
) -> None:
    """It resolves to a public address when it is looked at, and to loopback when it is connected to."""
    if proxied:
        monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
        monkeypatch.setenv("no_proxy", "*")
    real, looks = socket.getaddrinfo, []

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        if host in ("model.example", b"model.example"):
            looks.append(host)
            host = PUBLIC if len(looks) == 1 else "127.0.0.1"
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(Forbidden):
        asyncio.run(pull(f"http://model.example:{port(server)}/m.gguf", tmp_path, by_peer=True))
    assert len(looks) > 1 and server.asked == []


def test_a_redirect_there(server: Server, other: Server, tmp_path: Path) -> None:
    """The mirror that the owner configured may be here; where it leads to may not."""
    server.elsewhere = f"{other.address}/m.gguf"

    def fetch() -> str:
        guard = Guard([server.address])
        return asyncio.run(
            download(f"{server.address}/m", tmp_path / "m", report=lambda _: None, guard=guard)
        )

    with pytest.raises(Forbidden):
        fetch()
    assert server.asked == ["/m"] and other.asked == []
    server.elsewhere = None
    assert fetch() and (tmp_path / "m").read_bytes() == DATA


def test_the_address_of_this_machine_on_its_network(tmp_path: Path) -> None:
    """What listens on all addresses sees a caller of its own machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((PUBLIC, 9))
        except OSError:
            pytest.skip("this machine has no network")
        own = probe.getsockname()[0]
    with socket.create_server((own, 0)) as listener:
        url = f"http://{own}:{listener.getsockname()[1]}/m.gguf"
        with pytest.raises(Forbidden):
            asyncio.run(pull(url, tmp_path, by_peer=True))


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(DATA)
    for source in (str(tmp_path / "m.gguf"), (tmp_path / "m.gguf").as_uri()):
        with pytest.raises(BagoError):
            asyncio.run(pull(source, tmp_path / "models", by_peer=True))
    assert not list((tmp_path / "models").glob("*.gguf"))


def test_a_mirror_of_the_hub_stays_the_owners_to_choose(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bago_jupyter.engines import pull as module

    monkeypatch.setitem(os.environ, "HF_ENDPOINT", server.address)
    monkeypatch.setattr(module, "hub_urls", lambda source: [(f"{server.address}/o/r/m.gguf", {}, None)])
    assert asyncio.run(pull("hf:o/r/m.gguf", tmp_path, by_peer=True)) == "m"


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::",
            "169.254.169.254",
            "fe80::1%eth0",
            "224.0.0.1",
            "255.255.255.255",
        ),
        *("::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "fd00:ec2::254"),
        *("100.100.100.200", "168.63.129.16", "0.1.2.3", "no address", ""),
    ],
)
def test_off_limits(address: str) -> None:
    assert off_limits(address)


@pytest.mark.parametrize(
    "address", ["10.0.0.7", "192.168.1.2", "100.64.0.9", "fd12::7", PUBLIC, "2606:4700::1"]
)
def test_not_off_limits(address: str) -> None:
    """The network around is where mirrors are, and a peer can look there itself."""
    assert not off_limits(address)
