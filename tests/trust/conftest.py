"""Nodes' halves of trust, and a real TLS wire between them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from bago_jupyter.errors import BagoError
from bago_jupyter.identity import Identity
from bago_jupyter.state import Home
from bago_jupyter.trust import certificate, messages
from bago_jupyter.trust.pairing import card_of
from bago_jupyter.trust.peers import Peers
from bago_jupyter.trust.refusal import Refused
from bago_jupyter.trust.tls import Tls, peer_fingerprint


@dataclass
class Party:
    """One node as far as trust goes."""

    name: str
    home: Home
    identity: Identity
    peers: Peers
    tls: Tls
    seen: list[str | None] = field(default_factory=list)
    """Fingerprints that clients of :meth:`serve` proved, in order."""

    @property
    def fingerprint(self) -> str:
        return self.identity.fingerprint

    @property
    def der(self) -> bytes:
        return certificate.own_certificate(self.identity)

    def card(self) -> bytes:
        return card_of(self.identity, self.name, [f"{self.name}.local:8080"], 8080, "0.1")

    @contextlib.asynccontextmanager
    async def serve(self, handlers: dict[type, Callable[[Any], Any]]) -> AsyncIterator[int]:
        """A TLS server that answers one message a connection; yields its port."""
        tasks: set[asyncio.Task[None]] = set()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())  # type: ignore[arg-type]
            with contextlib.suppress(OSError):
                self.seen.append(peer_fingerprint(writer.get_extra_info("ssl_object")))
                kind, _, body = (await reader.read(65536)).partition(b" ")
                found = next((k for k in handlers if k.__name__.encode() == kind), None)
                if found is not None:
                    try:
                        writer.write(b"+" + messages.write(handlers[found](messages.read(body, found))))
                    except BagoError as error:
                        writer.write(b"-" + error.message.encode())
                await writer.drain()
                writer.close()
                await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=self.tls.server())
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            if tasks:
                await asyncio.wait(tasks, timeout=30)


async def call(port: int, context: ssl.SSLContext, message: Any, answer: type) -> Any:
    """Send one message; raises :class:`Refused` for a refusal, ``ConnectionError`` for no answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(type(message).__name__.encode() + b" " + messages.write(message))
        data = await reader.read()
        while more := await reader.read():
            data += more
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if data[:1] == b"-":
        raise Refused(data[1:].decode())
    if data[:1] != b"+":
        raise ConnectionError("closed")
    return messages.read(data[1:], answer)


@pytest.fixture
def wire() -> Callable[..., Awaitable[Any]]:
    return call


@pytest.fixture
def party(tmp_path: Path) -> Callable[[str], Party]:
    """Makes nodes by name; the same name again is the same home, opened anew."""

    def make(name: str) -> Party:
        home = Home(tmp_path / name)
        peers = Peers(home)
        identity = Identity.open(home)
        return Party(name, home, identity, peers, Tls(identity, peers))

    return make


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Runs a coroutine on either loop."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


def flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.fixture
def altered() -> Callable[[Any], list[tuple[str, Any]]]:
    """Every message that differs from a given one in one field: first, middle and last byte or letter."""

    def variants(message: Any) -> list[tuple[str, Any]]:
        found = []
        for name in message.__struct_fields__:
            value = getattr(message, name)
            if isinstance(value, bytes):
                values: list[Any] = [flip(value, i) for i in (0, len(value) // 2, len(value) - 1)]
            elif isinstance(value, str):
                places = (0, len(value) // 2, len(value) - 1)
                values = [value[:i] + ("A" if value[i] != "A" else "B") + value[i + 1 :] for i in places]
            else:
                values = [value + 1]
            found += [(name, msgspec.structs.replace(message, **{name: other})) for other in values]
        return found

    return variants
