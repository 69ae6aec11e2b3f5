"""Connections of a node over real servers: added, followed, changed, switched and removed."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from connections.house import house, run, until
from connections.servers import Server
from faults import Call, Faults

from bago_jupyter.connections import health
from bago_jupyter.connections.connections import TrialFailed
from bago_jupyter.errors import BagoError, InvalidRequest, NotFound, SettingsError, StateError
from bago_jupyter.state import Home
from bago_jupyter.trust.secret import Secret

KEY = "sk-not-for-show"


def holding_key(root: Path) -> list[str]:
    return [file.name for file in root.iterdir() if KEY in file.read_text()]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes in a rhythm for tests."""
    monkeypatch.setattr(health, "EVERY", 0.05)
    monkeypatch.setattr(health, "SOON", 0.05)
    monkeypatch.setattr(health, "WARMING_EVERY", 0.05)


def test_its_models_are_asked_by_either_name_and_kept_over_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        server = Server("m", key=KEY)
        async with Faults(server) as faults:
            async with house(tmp_path) as here:
                entry = await here.add(faults.url, key=KEY, priority=7, weight=2.0, slots=3)
                (offer,) = here.dispatcher.table.offers
                assert (offer.backend, offer.node, offer.model) == ("openai:gpu", "gpu", "m")
                assert (offer.priority, offer.weight, offer.slots, offer.shared) == (7, 2.0, 3, False)
                assert offer.health == "healthy"
                assert offer.dialects == {"chat", "messages"}
                assert here.dispatcher.latencies["openai:gpu"] > 0
                assert not server.generated
                for name in ("m", "gpu/m"):
                    got = await here.ask(name)
                    assert (got["status"], got["node"]) == (200, "gpu")
                assert [json.loads(body)["model"] for body in server.generated] == ["m", "m"]
                assert entry.source == "file"
                assert KEY not in repr(entry.connection) + repr(vars(entry)) + repr(vars(entry.way))
            async with house(tmp_path) as here:
                await until(lambda: here.dispatcher.table.offers)
                assert (await here.ask("gpu/m"))["status"] == 200
                assert here.all.get("gpu").source == "file"
                assert holding_key(tmp_path) == ["secrets.json"]
                assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
                await here.all.remove("gpu")
                assert not here.dispatcher.table.offers
                assert not holding_key(tmp_path)
                with pytest.raises(NotFound):
                    here.all.get("gpu")

    run(main())


def test_what_does_not_work_is_not_added_unless_forced(tmp_path: Path, hasty: None) -> None:
    async def main() -> None:
        server = Server("m", key=KEY)
        async with Faults(server) as faults, house(tmp_path) as here:
            with pytest.raises(TrialFailed, match=r"gpu is not added: key accepted: no\. It wants a key"):
                await here.add(faults.url)
            with pytest.raises(TrialFailed, match="The key is refused") as caught:
                await here.add(faults.url, key="sk-wrong-one")
            assert "sk-wrong" not in caught.value.message
            assert not here.all.all()
            assert not (tmp_path / "secrets.json").exists()
            await here.add(faults.url, force=True)
            assert (here.all.get("gpu").state.state, here.all.get("gpu").state.reason) == (
                "unhealthy",
                "it wants a key (401)",
            )
            await here.all.update("gpu", {}, Secret(KEY))
            await until(lambda: here.all.get("gpu").state.state == "healthy")
            assert (await here.ask("m"))["status"] == 200

    run(main())


def test_names_that_are_taken(tmp_path: Path) -> None:
    async def main() -> None:
        async with Faults(Server("m")) as faults, house(tmp_path) as here:
            for name in ("here", "PEER"):
                with pytest.raises(InvalidRequest, match=f"A node is called {name}"):
                    await here.add(faults.url, name)
            both = await asyncio.gather(here.add(faults.url), here.add(faults.url), return_exceptions=True)
            assert sorted(isinstance(one, InvalidRequest) for one in both) == [False, True]
            with pytest.raises(InvalidRequest, match="There is a connection gpu already"):
                await here.add(faults.url)
            with pytest.raises(SettingsError, match="NOT_SET_HERE is not set"):
                await here.add(faults.url, "other", key_env="NOT_SET_HERE")

    run(main())


def test_the_named_variable_holds_the_key_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setenv("KEY_OF_TEST", KEY)
        async with Faults(Server("m", key=KEY)) as faults, house(tmp_path) as here:
            entry = await here.add(faults.url, key=KEY, key_env="KEY_OF_TEST")
            assert entry.source == "environment KEY_OF_TEST"
            assert not (tmp_path / "secrets.json").exists()
            monkeypatch.setenv("OPENAI_API_KEY", "sk-for-the-cloud-alone")
            await here.add(faults.url, "other", force=True)
            assert not [call for call in faults.calls if b"sk-for-the-cloud" in call.head]

    run(main())


def test_it_is_followed_and_every_change_keeps_its_reason(tmp_path: Path, hasty: None) -> None:
    async def main() -> None:
        server = Server("m")
        async with Faults(server) as faults, house(tmp_path) as here:
            entry = await here.add(faults.url)
            server.list_status = 503
            await until(lambda: entry.state.state == "warming")
            (offer,) = here.dispatcher.table.offers
            assert offer.health == "warming"
            server.list_status = 200
            await until(lambda: entry.state.state == "healthy")
            server.models.append("later")
            await until(lambda: len(here.dispatcher.table.offers) == 2)
            server.list_status = 500
            await until(lambda: entry.state.state == "unhealthy")
            with pytest.raises(BagoError, match="answered 500"):
                await here.ask("m")
            server.list_status = 200
            await until(lambda: entry.state.state == "healthy")
            assert (await here.ask("later"))["status"] == 200
            turns = [(turn.state, turn.reason) for turn in entry.state.history]
            assert turns == [
                ("healthy", "it answers"),
                ("warming", "it is warming up (503)"),
                ("healthy", "it answers again"),
                ("unhealthy", "It answered 500 to /v1/models"),
                ("healthy", "it answers again"),
            ]
            assert len(server.generated) == 1

    run(main())


def test_a_key_that_is_revoked_is_noticed_by_a_request(tmp_path: Path) -> None:
    async def main() -> None:
        server = Server("m", key=KEY)
        async with Faults(server) as faults, house(tmp_path) as here:
            entry = await here.add(faults.url, key=KEY)
            server.key = "another"
            with pytest.raises(BagoError, match="refuses the key of this connection"):
                await here.ask("m")
            await until(lambda: entry.state.state == "unhealthy")
            assert entry.state.reason == "the key is refused (401)"
            assert faults.calls[-1].head.startswith(b"GET")

    run(main())


def test_switched_off_taken_out_and_selected(tmp_path: Path) -> None:
    async def main() -> None:
        server = Server("a", "b")
        async with Faults(server) as faults, house(tmp_path) as here:
            await here.add(faults.url)
            assert here.all.select("gpu", ["b"]).connection.models == ["b"]
            assert [offer.model for offer in here.dispatcher.table.offers] == ["b"]
            with pytest.raises(InvalidRequest, match="gpu lists no c"):
                here.all.select("gpu", ["c"])
            here.all.select("gpu", None)
            assert len(here.dispatcher.table.offers) == 2
            assert not here.all.toggle("gpu").connection.enabled
            with pytest.raises(BagoError, match="switched off"):
                await here.ask("a")
            asked = len(faults.calls)
            here.all.toggle("gpu", True)
            await until(lambda: here.all.get("gpu").state.state == "healthy")
            assert len(faults.calls) > asked
            assert (await here.ask("a"))["status"] == 200
            await here.all.update("gpu", {"in_routing": False})
            with pytest.raises(BagoError, match="taken out of routing"):
                await here.ask("a")
            await here.all.update("gpu", {"in_routing": True, "share": True})
            assert all(offer.shared for offer in here.dispatcher.table.offers)
            assert (await here.ask("a", relayed=True))["status"] == 200

    run(main())


def test_another_place_is_tried_before_it_is_used(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Faults(Server("m")) as one,
            Faults(Server("n", speaks=("messages",))) as other,
            house(tmp_path) as here,
        ):
            entry = await here.add(one.url)
            with pytest.raises(TrialFailed, match="gpu is not changed: TCP connects"):
                await here.all.update("gpu", {"url": "http://127.0.0.1:1"})
            assert entry.connection.url == one.url
            assert (await here.ask("m"))["status"] == 200
            await here.all.update("gpu", {"url": other.url})
            (offer,) = here.dispatcher.table.offers
            assert offer.model == "n"
            assert entry.way.native == {"messages"}
            kept = Home(tmp_path).read("connections.json")
            assert kept is not None and msgspec.json.decode(kept)[0]["native"] == ["messages"]

    run(main())


def test_a_dead_server_keeps_no_node_from_starting(tmp_path: Path, hasty: None) -> None:
    async def main() -> None:
        server = Server("m")
        async with Faults(server) as faults:
            async with house(tmp_path) as here:
                await here.add(faults.url, models=["m"])
            url = faults.url
        async with house(tmp_path) as here:
            await until(lambda: here.all.get("gpu").state.state == "unhealthy")
            assert "refused" in here.all.get("gpu").state.reason.lower()
            with pytest.raises(BagoError, match="gpu"):
                await here.ask("m")
            assert url in here.all.get("gpu").connection.url

    run(main())


def test_a_request_that_runs_outlives_the_connection(tmp_path: Path) -> None:
    async def main() -> None:
        server, go = Server("m"), asyncio.Event()

        async def slow(call: Any) -> None:
            if call.body not in (b"", b"{}"):
                await go.wait()
            await server(call)

        async with Faults(slow) as faults, house(tmp_path) as here:
            await here.add(faults.url)
            running = asyncio.ensure_future(here.ask("m"))
            await until(lambda: any(call.body not in (b"", b"{}") for call in faults.calls))
            await here.all.remove("gpu")
            go.set()
            assert (await running)["status"] == 200

    run(main())


def test_a_key_goes_to_another_host_only_when_it_is_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setenv("KEY_OF_TEST", KEY)
        server = Server("m", key=KEY)
        async with Faults(server) as one, Faults(server) as two, house(tmp_path) as here:
            await here.add(one.url, key=KEY)
            await here.add(one.url, "named", key_env="KEY_OF_TEST")
            elsewhere = {"url": f"http://localhost:{two.port}"}
            for name in ("gpu", "named"):
                with pytest.raises(InvalidRequest, match=r"was given for http://127\.0.*forgotten"):
                    await here.all.update(name, elsewhere, force=True)
                assert here.all.get(name).connection.url == one.url
            assert not two.calls
            assert (await here.all.update("gpu", elsewhere, Secret(KEY))).source == "file"
            assert (await here.all.update("named", {**elsewhere, "key_env": "KEY_OF_TEST"})).connection.url
            await here.all.update("gpu", {"url": f"http://localhost:{one.port}"})
            await here.all.update("gpu", {"url": one.url}, None, force=True)
            assert here.all.get("gpu").source == "none"

    run(main())


def test_a_key_that_is_given_wins_over_the_usual_variable_and_ends_a_named_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-usual")
        monkeypatch.setenv("KEY_OF_TEST", "sk-named")
        nowhere = {"type": "anthropic", "url": "https://api.anthropic.com:1", "force": True}
        monkeypatch.setattr("bago_jupyter.connections.trial.CONNECT", 0.1)
        for start in range(2):
            async with house(tmp_path) as here:
                if not start:
                    await here.add(name="usual", **nowhere)
                    await here.add(name="given", key=KEY, **nowhere)
                    await here.add(name="ended", key_env="KEY_OF_TEST", **nowhere)
                    await here.all.update("ended", {}, Secret(KEY), force=True)
                sources = {entry.node: entry.source for entry in here.all.all()}
                assert sources == {"usual": "environment ANTHROPIC_API_KEY", "given": "file", "ended": "file"}
                assert here.all.get("given").way.target.key == Secret(KEY)
                assert here.all.get("ended").way.target.key == Secret(KEY)

    run(main())


def test_what_is_changed_while_an_update_is_tried_stays(tmp_path: Path) -> None:
    async def main() -> None:
        server, tried = Server("m", "n"), asyncio.Event()

        async def late(call: Call) -> None:
            await tried.wait()
            await server(call)

        async with Faults(late) as slow, Faults(server) as one, house(tmp_path) as here:
            await here.add(one.url)
            update = asyncio.create_task(here.all.update("gpu", {"url": slow.url}))
            await until(lambda: slow.calls)
            here.all.toggle("gpu", False)
            here.all.select("gpu", ["n"])
            tried.set()
            kept = (await update).connection
            assert (kept.url, kept.enabled, kept.models) == (slow.url, False, ["n"])

    run(main())


def test_what_it_listed_is_known_while_it_is_down_at_the_next_start(tmp_path: Path) -> None:
    async def main() -> None:
        async with Faults(Server("m", "n")) as faults, house(tmp_path) as here:
            await here.add(faults.url)
            await here.add(faults.url, "few", models=["m"])
            with pytest.raises(InvalidRequest, match="other lists no nope"):
                await here.add(faults.url, "other", models=["m", "nope"])
            with pytest.raises(TrialFailed, match="It lists no nope, only m, n; choose others"):
                await here.add(faults.url, "other", models=["nope"])
        async with house(tmp_path) as here:
            assert [offer.model for offer in here.dispatcher.table.offers] == ["m", "m", "n"]
            assert {offer.health for offer in here.dispatcher.table.offers} == {"unknown"}
            trial = await here.all.try_out("gpu")
            assert trial.failed is not None
            assert here.all.get("gpu").state.state == "unhealthy"
            with pytest.raises(BagoError, match=r"n cannot answer now .gpu: it refused the connection"):
                await here.ask("gpu/n")

    run(main())


def test_a_key_whose_connection_was_lost_goes_nowhere_else(tmp_path: Path) -> None:
    async def main() -> None:
        async with Faults(Server("m", key=KEY)) as one, Faults(Server("m")) as other:
            async with house(tmp_path) as here:
                await here.add(one.url, key=KEY)
            (tmp_path / "connections.json").write_bytes(b"rubbish")
            for _ in range(2):
                async with house(tmp_path) as here:
                    entry = here.all.all()[0] if here.all.all() else await here.add(other.url)
                    assert entry.source == "none"
                    assert (await here.ask("m"))["status"] == 200
            assert KEY.encode() not in b"".join(call.head for call in other.calls)

    run(main())


def test_what_cannot_be_written_does_not_change(tmp_path: Path) -> None:
    async def main() -> None:
        async with Faults(Server("m", key=KEY)) as faults, house(tmp_path) as here:
            entry = await here.add(faults.url, key=KEY)
            before = (entry.connection, entry.way, entry.source)
            kept = tmp_path / "connections.json"
            kept.unlink()
            kept.mkdir()
            for attempt in (
                lambda: here.all.remove("gpu"),
                lambda: here.all.update("gpu", {"url": faults.url + "/v1"}),
                lambda: here.add(faults.url, "other", key=KEY),
            ):
                with pytest.raises(StateError, match="Cannot write"):
                    await attempt()
                assert [one.connection.name for one in here.all.all()] == ["gpu"]
                assert (entry.connection, entry.way, entry.source) == before
                assert (await here.ask("gpu/m"))["status"] == 200
            kept.rmdir()
            await here.all.remove("gpu")
            assert not here.all.all() and not here.dispatcher.table.offers

    run(main())
