"""A Backend.AI cluster as a connection, over a manager that checks signatures."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import answers, run, says
from connections.house import house, until
from manager import ACCESS_KEY, SECRET_KEY, Manager, ModelService

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
