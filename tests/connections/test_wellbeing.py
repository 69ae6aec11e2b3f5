"""Health that tells the truth: servers that start, that answer without working, and that need no probe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from connections.house import House, house, run, until
from connections.servers import ANSWER, Server
from faults import Call, Faults

from bago_jupyter.connections import connected, health, listing
from bago_jupyter.errors import BagoError, UpstreamFailed

Fault = Callable[[Call], Awaitable[None]]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes in a rhythm for tests."""
    for name in ("EVERY", "SOON", "AGAIN", "WARMING_EVERY"):
        monkeypatch.setattr(health, name, 0.05)
    monkeypatch.setattr(connected, "AGAIN", 0.05)
    monkeypatch.setattr(listing, "TIMEOUT", 0.5)


async def missing(call: Call) -> None:
    await call.json(b'{"detail":"Not Found"}', 404)


async def hangs(call: Call) -> None:
    await call.gone.wait()


async def resets(call: Call) -> None:
    call.drop()


async def behind_a_gateway(call: Call) -> None:
    await call.raw(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize("starting", [missing, hangs, resets, behind_a_gateway], ids=lambda one: one.__name__)
def test_a_server_that_was_there_is_warming_while_it_starts(
    tmp_path: Path, hasty: None, starting: Fault
) -> None:
    async def main() -> None:
        server = Server("m")
        async with Faults(server) as faults, house(tmp_path) as here:
            entry = await here.add(faults.url)
            await until(lambda: entry.state.state == "healthy")
            faults.script = starting
            await until(lambda: entry.state.state == "warming")
            assert "it was there before, and may be starting" in entry.state.reason
            with pytest.raises(BagoError, match="may be starting"):
                await here.ask("m")
            faults.script = server
            await until(lambda: entry.state.state == "healthy")
            assert (await here.ask("m"))["status"] == 200

    run(main())


def test_a_server_that_refuses_is_warming_where_it_was_there_and_unhealthy_where_it_was_not(
    tmp_path: Path, hasty: None
) -> None:
    async def main() -> None:
        server = Server("m")
        async with house(tmp_path) as here:
            async with Faults(server) as faults:
                entry = await here.add(faults.url)
                never = await here.add("http://127.0.0.1:1", "never", force=True)
                await until(lambda: entry.state.state == "healthy" and never.state.state == "unhealthy")
            await until(lambda: entry.state.state == "warming")
            assert entry.state.reason.startswith("it refused the connection; it was there before")
            again = await asyncio.start_server(Faults(server)._serve, "127.0.0.1", faults.port)
            await until(lambda: entry.state.state == "healthy")
            assert (await here.ask("m"))["status"] == 200
            again.close()

    run(main())


def test_a_refused_request_has_its_server_looked_at_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the usual rhythm: half a minute until the next probe, and one was made just now."""
    monkeypatch.setattr(connected, "AGAIN", 0.2)

    async def main() -> None:
        async with house(tmp_path) as here:
            async with Faults(Server("m")) as faults:
                entry = await here.add(faults.url)
                await until(lambda: entry.state.state == "healthy" and len(faults.calls) >= 2)
            with pytest.raises(UpstreamFailed):
                await here.ask("m")
            await until(lambda: entry.state.state == "warming")

    run(main())


async def fail(here: House) -> None:
    """Ask in vain."""
    (outcome,) = await asyncio.gather(here.ask("m"), return_exceptions=True)
    assert isinstance(outcome, BagoError) or outcome["status"] == 502


def test_a_server_that_lists_its_models_and_fails_each_request_is_unhealthy_until_one_is_served(
    tmp_path: Path, hasty: None
) -> None:
    async def main() -> None:
        server = Server("m")
        server.owner, server.health_status = "vllm", 200
        async with Faults(server) as faults, house(tmp_path) as here:
            entry = await here.add(faults.url)
            await until(lambda: entry.state.state == "healthy")
            server.broken = 502
            for _ in range(3):
                await fail(here)
            assert entry.state.state == "unhealthy"
            assert "its last 3 requests failed: gpu answered 502" in entry.state.reason
            probes = len(faults.calls)
            await until(lambda: len(faults.calls) > probes + 10)  # none of which tells more
            assert entry.state.state == "unhealthy"
            asked = len(server.generated)
            await until(lambda: here.dispatcher.breakers.look("openai:gpu", "m", 0.0)[0] != "open")
            await fail(here)  # one is let through, to try it
            assert len(server.generated) == asked + 1 and entry.state.state == "unhealthy"
            server.broken = 0

            async def served() -> bool:
                try:
                    return bool((await here.ask("m"))["status"] == 200)
                except BagoError:
                    return False

            async with asyncio.timeout(30):  # soon, not when a pause of the breaker ends
                while not await served():
                    await asyncio.sleep(0.01)
            assert entry.state.state == "healthy"
            assert [change.state for change in entry.state.history] == ["healthy", "unhealthy", "healthy"]

    run(main())


def test_a_clients_mistakes_make_nobody_unhealthy(tmp_path: Path, hasty: None) -> None:
    async def main() -> None:
        server = Server("m")
        async with Faults(server) as faults, house(tmp_path) as here:
            entry = await here.add(faults.url)
            server.broken = 400
            for _ in range(6):
                assert (await here.ask("m"))["status"] == 400
            assert entry.state.state == "healthy"
            load = here.dispatcher.loads["openai:gpu", "m"]
            assert (load.ok, load.failed) == (6, 0)

    run(main())


def test_answers_to_requests_spare_a_server_the_probes(tmp_path: Path, hasty: None) -> None:
    async def main() -> None:
        async with Faults(Server("m")) as faults, house(tmp_path) as here:
            entry = await here.add(faults.url)
            await until(lambda: entry.state.state == "healthy")
            load = here.dispatcher.loads["openai:gpu", "m"] = here.dispatcher.books.load(
                here.dispatcher.table.offers[0]
            )
            loop = asyncio.get_running_loop()

            def serve() -> None:  # as many as could be asked in no time
                nonlocal handle
                load.ok += 1
                handle = loop.call_later(0.005, serve)

            handle = loop.call_later(0, serve)
            before = len(faults.calls)
            seen = entry._answered
            await until(lambda: load.ok > 200 and entry._answered > seen)
            assert len(faults.calls) <= before + 1  # one may have been under way
            handle.cancel()
            await until(lambda: len(faults.calls) > before + 5)

    run(main())


@pytest.mark.parametrize(
    ("speaks", "tasks"),
    [
        (("embeddings",), {"embed"}),
        (("rerank", "embeddings"), {"embed", "rerank"}),
        (("chat/completions",), {"generate"}),
        (("messages", "embeddings"), {"generate", "embed"}),
    ],
)
def test_tasks_are_what_was_probed(tmp_path: Path, speaks: tuple[str, ...], tasks: set[str]) -> None:
    async def main() -> None:
        server = Server("m", speaks=speaks)
        async with Faults(server) as faults:
            for _ in range(2):  # the second time as they are kept
                async with house(tmp_path) as here:
                    if not here.all.all():
                        await here.add(faults.url)
                    await until(lambda: here.dispatcher.table.offers)
                    (offer,) = here.dispatcher.table.offers
                    assert offer.tasks == tasks
            assert not server.generated

    run(main())


def test_another_server_at_the_same_place_is_probed_anew(tmp_path: Path, hasty: None) -> None:
    async def main() -> None:
        server = Server("m")
        async with Faults(server) as faults, house(tmp_path) as here:
            await here.add(faults.url)
            server.models, server.speaks = ["e"], ("embeddings",)
            await until(lambda: [offer.model for offer in here.dispatcher.table.offers] == ["e"])
            assert here.dispatcher.table.offers[0].tasks == {"embed"}

    run(main())


@pytest.mark.parametrize("body", [b"", b'{"object":"list","data":[]}'])
def test_an_empty_list_is_enough_where_the_models_are_named(tmp_path: Path, hasty: None, body: bytes) -> None:
    async def main() -> None:
        server = Server()

        async def script(call: Call) -> None:
            await (call.json(body) if call.head.startswith(b"GET /v1/models") else server(call))

        async with Faults(script) as faults, house(tmp_path) as here:
            with pytest.raises(BagoError, match="models listed: no"):
                await here.add(faults.url)
            entry = await here.add(faults.url, models=["tiny"])
            assert [hop.said for hop in entry.trial.hops][-1] == "none; the named ones are used"
            probes = len(faults.calls)
            await until(lambda: len(faults.calls) > probes + 5)
            assert entry.state.state == "healthy"
            answer = await here.ask("tiny")
            assert msgspec.json.decode(answer["body"]) == msgspec.json.decode(ANSWER)

    run(main())
