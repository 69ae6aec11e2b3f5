"""A Backend.AI cluster as a connection, over a manager that checks signatures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from clusters import answers, run, says
from connections.house import house, until
from faults import Call
from manager import ACCESS_KEY, SECRET_KEY, Manager, ModelService

from bago_jupyter.backends import pacing, service
from bago_jupyter.connections.clustered import ClusterWay
from bago_jupyter.connections.connection import Connection
from bago_jupyter.connections.connections import TrialFailed
from bago_jupyter.errors import SettingsError
from bago_jupyter.trust.secret import Secret

TYPE = {"type": "backend_ai_cluster", "access_key": ACCESS_KEY}


def test_a_cluster_from_adding_to_asking(tmp_path: Path) -> None:
    async def main() -> None:
        async with Manager(ModelService("llama", ["m"], says("hi"))) as manager, house(tmp_path) as here:
            entry = await here.add(manager.url, "cluster", key=SECRET_KEY, **TYPE, slots=9)
            assert [(hop.name, hop.ok) for hop in entry.trial.hops] == [
                ("name resolves", True),
                ("TCP connects", True),
                ("HTTP answers", True),
                ("manager accepts", True),
                ("models listed", True),
            ]
            (offer,) = here.dispatcher.table.offers
            assert (offer.backend, offer.model, offer.health) == (
                "backend_ai_cluster:cluster",
                "m",
                "healthy",
            )
            assert (offer.slots, offer.shared) == (9, False)
            assert offer.dialects is not None and "messages" in offer.dialects
            assert b"hi" in (await here.ask("cluster/m"))["body"]
            assert SECRET_KEY not in repr(vars(entry)) + repr(vars(entry.way))
        async with house(tmp_path) as here:
            assert here.all.get("cluster").source == "file"

    run(main())


def test_what_a_cluster_refuses_is_said_by_its_hop(tmp_path: Path) -> None:
    async def main() -> None:
        async with Manager(ModelService("llama", ["m"], says("hi"))) as manager, house(tmp_path) as here:
            with pytest.raises(TrialFailed, match=r"manager accepts: no\..*access key and secret key"):
                await here.add(manager.url, "cluster", key="not-the-key", **TYPE)
            with pytest.raises(SettingsError, match="needs its secret key"):
                await here.add(manager.url, "cluster", **TYPE)
            with pytest.raises(SettingsError, match="an access key"):
                await here.add(manager.url, "cluster", type="backend_ai_cluster", key=SECRET_KEY)
        async with Manager() as manager, house(tmp_path) as here:
            with pytest.raises(TrialFailed, match=r"models listed: no\..*no model services"):
                await here.add(manager.url, "cluster", key=SECRET_KEY, **TYPE)

    run(main())


def test_a_service_that_fails_hides_none_of_the_others(tmp_path: Path) -> None:
    async def main() -> None:
        good = ModelService("good", ["m"], says("hi"))
        bad = ModelService("bad", ["n"], answers(500), endpoint="http://127.0.0.1:1")
        async with Manager(good, bad) as manager, house(tmp_path) as here:
            entry = await here.add(manager.url, "cluster", key=SECRET_KEY, **TYPE)
            await until(lambda: entry.state.state == "healthy")
            assert b"hi" in (await here.ask("m"))["body"]

    run(main())


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is asked from time to time, in a rhythm for tests."""
    monkeypatch.setattr(pacing, "NEWS", 0.02)
    monkeypatch.setattr(service, "EVERY", 0.02)
    monkeypatch.setattr(ClusterWay, "pause", lambda self: 0.02)


async def gone(manager: Manager) -> None:
    manager.server._server.close()
    for task in list(manager.server._tasks):
        task.cancel()


async def over_its_limit(manager: Manager) -> None:
    manager.rate_limit = 0


async def forgets_the_key(manager: Manager) -> None:
    async def refuse(call: Call) -> bool:
        await call.json(b'{"title":"Credential/signature mismatch.","msg":"Access key not found"}', 401)
        return True

    manager.before = refuse


@pytest.mark.parametrize("fails", [gone, over_its_limit, forgets_the_key], ids=lambda fails: fails.__name__)
def test_a_manager_that_fails_only_stops_news(
    tmp_path: Path, hasty: None, fails: Callable[[Manager], Awaitable[None]]
) -> None:
    async def main() -> None:
        llama = ModelService("llama", ["m"], says("hi"))
        async with Manager(llama) as manager, house(tmp_path) as here:
            entry = await here.add(manager.url, "cluster", key=SECRET_KEY, **TYPE)
            await until(lambda: entry.state.state == "healthy")
            await fails(manager)
            checks = len(llama.server.calls)
            await until(lambda: entry.state.error is not None and len(llama.server.calls) > checks + 10)
            assert entry.state.state == "healthy" and "manager of cluster" in entry.state.error
            assert b"hi" in (await here.ask("cluster/m"))["body"]
            assert [change.state for change in entry.state.history] == ["healthy"]
            llama.refuses = 403  # and its health is that of its services
            await until(lambda: entry.state.state == "unhealthy")

    run(main())


def test_looking_often_asks_the_manager_no_more_often(tmp_path: Path) -> None:
    async def main() -> None:
        llama = ModelService("llama", ["m"], says("hi"))
        async with Manager(llama) as manager, house(tmp_path) as here:
            entry = await here.add(manager.url, "cluster", key=SECRET_KEY, **TYPE)
            await until(lambda: entry.state.state == "healthy")
            asked, checks = len(manager.server.calls), len(llama.server.calls)
            for _ in range(20):
                await entry.probe()
            assert len(manager.server.calls) == asked and len(llama.server.calls) == checks
            assert 50 < entry.way.pause() <= 60
            await here.all.try_out("cluster")  # but whoever wants to know is told
            assert len(manager.server.calls) == asked + 1

    run(main())


def test_a_service_of_embeddings_is_no_chat_model(tmp_path: Path) -> None:
    async def main() -> None:
        chats = ModelService("chats", ["c"], says("hi"), speaks=("chat/completions", "completions"))
        embeds = ModelService("embeds", ["e"], says("hi"), speaks=("embeddings",))
        async with Manager(chats, embeds) as manager, house(tmp_path) as here:
            await here.add(manager.url, "cluster", key=SECRET_KEY, **TYPE)
            tasks = {offer.model: offer.tasks for offer in here.dispatcher.table.offers}
            assert tasks == {"c": {"generate"}, "e": {"embed"}}
            assert not chats.asked and not embeds.asked

    run(main())


def test_the_secret_key_that_is_gone_keeps_no_node_from_starting(tmp_path: Path) -> None:
    async def main() -> None:
        async with Manager(ModelService("llama", ["m"], says("hi"))) as manager:
            async with house(tmp_path) as here:
                await here.add(manager.url, "cluster", key=SECRET_KEY, **TYPE)
            (tmp_path / "secrets.json").unlink()
            async with house(tmp_path) as here:
                entry = here.all.get("cluster")
                await until(lambda: entry.state.state == "unhealthy")
                assert "secret key" in entry.state.reason
                await here.all.update("cluster", {"access_key": ACCESS_KEY}, Secret(SECRET_KEY))
                await until(lambda: entry.state.state == "healthy")

    run(main())


def test_without_its_secret_it_is_looked_at_as_rarely_as_any_other() -> None:
    async def main() -> None:
        way = ClusterWay(Connection(name="c", url="http://127.0.0.1:1", **TYPE), None)
        assert way.pause() is None
        assert (
            ClusterWay(Connection(name="c", url="http://127.0.0.1:1", **TYPE), Secret("s")).pause() or 0
        ) > 0

    run(main())
