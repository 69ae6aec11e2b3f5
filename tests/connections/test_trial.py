"""Trying a connection: each hop's failure, over real sockets, and the sentence that it gets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from connections.servers import Server, tls_server
from faults import Call, Faults, Script

from bago_jupyter.backends import target as targets
from bago_jupyter.backends.target import Target
from bago_jupyter.connections.connection import Connection
from bago_jupyter.connections.trial import Trial, try_out
from bago_jupyter.trust.secret import Secret

KEY = "sk-never-shown"


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 120))


async def tried(url: str, *, key: str | None = None, timeout: float = 30.0, **fields: Any) -> Trial:
    connection = Connection(name="c", url=url, **fields)
    target = Target(url, key=Secret(key) if key else None, manner=connection.kind.manner)
    try:
        return await try_out(connection, target, timeout)
    finally:
        target.pool.close()


def ends(trial: Trial, name: str, *said: str) -> None:
    failed = trial.failed
    assert failed is not None
    assert failed is trial.hops[-1]
    assert failed.name == name
    for part in said:
        assert part in failed.said, failed.said
    assert KEY not in repr(trial.hops)


def test_all_hops_of_a_good_server() -> None:
    async def main() -> None:
        server = Server("a", "b", key=KEY, speaks=("chat/completions", "embeddings"))
        async with Faults(server) as faults:
            trial = await tried(faults.url, key=KEY)
            assert [(hop.name, hop.ok) for hop in trial.hops] == [
                ("name resolves", True),
                ("TCP connects", True),
                ("HTTP answers", True),
                ("key accepted", True),
                ("models listed", True),
            ]
            assert trial.native == {"chat", "embeddings"}
            assert trial.seen is not None
            assert [model.id for model in trial.seen.models] == ["a", "b"]
            assert not server.generated

    run(main())


def test_a_name_that_nobody_has() -> None:
    ends(
        run(tried("http://no-such-host.invalid/v1")),
        "name resolves",
        "No machine is called no-such-host.invalid",
    )


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as deaf:  # it has the port, and does not listen
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        trial = run(tried(f"http://127.0.0.1:{port}"))
    ends(trial, "TCP connects", f"127.0.0.1 port {port} refuses", "Is the server up?")


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with tls_server(tmp_path, Server("m"), ["localhost"]) as (port, certificate):
            ends(
                await tried(f"https://localhost:{port}"),
                "TLS handshake",
                "not trusted: self-signed",
                "SSL_CERT_FILE",
            )
            context = ssl.create_default_context(cafile=str(certificate))
            monkeypatch.setattr(targets, "trusting", lambda: context)
            monkeypatch.setattr("bago_jupyter.connections.trial.trusting", lambda: context)
            good = await tried(f"https://localhost:{port}")
            assert good.failed is None
            assert [hop.said for hop in good.hops if hop.name == "TLS handshake"] == ["TLSv1.3"]
            ends(
                await tried(f"https://127.0.0.1:{port}"), "TLS handshake", "not trusted: IP address mismatch"
            )

    run(main())


def test_http_and_https_mixed_up(tmp_path: Path) -> None:
    async def main() -> None:
        async def bad_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            await reader.read()
            writer.close()

        async with await asyncio.start_server(bad_request, "127.0.0.1", 0) as plain:
            port = plain.sockets[0].getsockname()[1]
            ends(await tried(f"https://127.0.0.1:{port}"), "TLS handshake", "does not speak TLS", "http://")
        async with tls_server(tmp_path, Server("m"), ["localhost"]) as (port, _):
            ends(await tried(f"http://127.0.0.1:{port}"), "HTTP answers")

    run(main())


async def hang(call: Call) -> None:
    await call.gone.wait()


async def half(call: Call) -> None:
    await call.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{")
    await call.gone.wait()


async def drops(call: Call) -> None:
    call.drop()


async def html(call: Call) -> None:
    await call.json(b"<!doctype html><title>Open WebUI</title>")


def status(code: int, extra: bytes = b"") -> Script:
    return lambda call: call.json(b"{}", code, extra)


@pytest.mark.parametrize(
    ("script", "hop", "said"),
    [
        (hang, "HTTP answers", "within 1 s"),
        (half, "HTTP answers", "no whole answer within 1 s"),
        (drops, "HTTP answers", "closed the connection"),
        (html, "models listed", "HTML; give the base URL of its API"),
        (status(200), "models listed", "something else than a list of models"),
        (
            status(301, b"location: https://elsewhere/v1\r\n"),
            "HTTP answers",
            "redirects to https://elsewhere/v1",
        ),
        (status(500), "HTTP answers", "answered 500 to /v1/models"),
        (status(503), "HTTP answers", "warming up (503); try again in a while"),
        (status(401), "key accepted", "It wants a key (401); give it one"),
        (status(404), "models listed", "It has no /v1/models (404). Is this the base URL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_servers_that_answer_wrongly(script: Script, hop: str, said: str) -> None:
    async def main() -> None:
        async with Faults(script) as faults:
            ends(await tried(faults.url, timeout=1.0 if script in (hang, half) else 30.0), hop, said)

    run(main())


def test_a_wrong_key_is_found_even_where_the_list_is_public() -> None:
    async def guarded(call: Call) -> None:
        await (Server("m")(call) if call.head.startswith(b"GET") else call.json(b"{}", 401))

    async def main() -> None:
        async with Faults(guarded) as faults:
            ends(
                await tried(faults.url, key=KEY), "key accepted", "The key is refused (401); give another one"
            )

    run(main())


def test_a_server_without_a_list_needs_its_models_named() -> None:
    async def main() -> None:
        server = Server("m")
        server.list_status = 404
        async with Faults(server) as faults:
            ends(await tried(faults.url), "models listed", "Name its models.")
            trial = await tried(faults.url, models=["m"])
            assert trial.failed is None
            assert trial.native == {"chat"}

    run(main())


def test_an_empty_list_is_no_use() -> None:
    async def main() -> None:
        async with Faults(Server()) as faults:
            ends(await tried(faults.url), "models listed", "It lists none")

    run(main())
