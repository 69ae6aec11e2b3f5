"""What a manager refuses, and how that is told."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from clusters import Cluster, run, says
from faults import Call
from manager import OTHERS_KEY, SECRET_KEY, ModelService, parse

from bago_jupyter.backends.manager import ManagerRefused, expiry
from bago_jupyter.errors import UpstreamFailed
from bago_jupyter.trust.secret import Secret


async def refusal(cluster: Cluster) -> str:
    with pytest.raises(ManagerRefused) as caught:
        await cluster.refresh()
    assert SECRET_KEY not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize(
    ("hours", "said"), [(-3, "180 minutes ahead of its own"), (3, "180 minutes behind its own")]
)
def test_a_wrong_clock_is_told_with_the_difference(status: int, hours: int, said: str) -> None:
    async def main() -> None:
        async with Cluster(ModelService("s", ["m"], says("hi"))) as cluster:
            cluster.manager.date_status = status
            cluster.manager.clock = lambda: time.time() + hours * 3600
            message = await refusal(cluster)
            assert said in message and "set the clock right" in message

    run(main())


def test_a_wrong_clock_is_told_without_a_date_too() -> None:
    async def main() -> None:
        async def undated(call: Call) -> bool:
            await call.json(b'{"title":"x","msg":"Date/time sync error"}', 401)
            return True

        async with Cluster() as cluster:
            cluster.manager.before = undated
            assert "does not say by how much" in await refusal(cluster)

    run(main())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"secret_key": Secret("another")}, "does not take the access key and secret key"),
        ({"access_key": "AKIANOBODY"}, "Access key not found"),
    ],
    ids=["secret key", "access key"],
)
def test_wrong_keys_are_told(options: dict[str, Any], said: str) -> None:
    async def main() -> None:
        async with Cluster(ModelService("s", ["m"], says("hi")), **options) as cluster:
            assert said in await refusal(cluster)

    run(main())


def test_only_the_callers_own_services_are_listed() -> None:
    async def main() -> None:
        own, other = ModelService("own", ["m"], says("1")), ModelService("other", ["n"], says("2"))
        other.owner = OTHERS_KEY
        async with Cluster(own, other) as cluster:
            await cluster.refresh()
            assert [offer.model for offer in cluster.backend.offers()] == ["m"]

    run(main())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "not of its web page"),
        (b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n", "lists no model services"),
        (b"HTTP/1.1 403 X\r\ncontent-length: 0\r\n\r\n", "forbids this"),
        (b"HTTP/1.1 301 X\r\nlocation: https://there/\r\ncontent-length: 0\r\n\r\n", "https://there/"),
    ],
)
def test_what_is_no_manager_is_told(answer: bytes, said: str) -> None:
    async def main() -> None:
        async def other(call: Call) -> bool:
            await call.raw(answer)
            return True

        async with Cluster() as cluster:
            cluster.manager.before = other
            assert said in await refusal(cluster)

    run(main())


def test_words_of_the_manager_are_shown_without_tricks() -> None:
    async def main() -> None:
        async def rude(call: Call) -> bool:
            await call.json(json.dumps({"title": "a\x1b[31m\nb" + "x" * 5000}).encode(), 500)
            return True

        async with Cluster() as cluster:
            cluster.manager.before = rude
            with pytest.raises(UpstreamFailed, match="answered 500") as caught:
                await cluster.refresh()
            assert caught.value.message.isprintable() and len(caught.value.message) < 300

    run(main())


def test_a_manager_that_is_down_takes_nothing_away() -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            cluster.manager.server._server.close()
            for task in list(cluster.manager.server._tasks):
                task.cancel()
            with pytest.raises(UpstreamFailed, match="manager of cluster cannot be asked: No connection"):
                await cluster.refresh()
            assert (await cluster.ask())[0] == 200
            service.revoked |= set(cluster.manager.minted_for(service))
            with pytest.raises(UpstreamFailed, match="service s of cluster: The manager of cluster cannot"):
                await cluster.ask()
            assert cluster.in_flight == 0

    run(main())


@pytest.mark.parametrize(
    ("release", "asked", "agreed"),
    [
        ("23.09.10", None, "v7.20230615"),
        ("26.9.6", None, "v9.20250722"),
        ("26.9.6", "v8.20240315", "v8.20240315"),
        ("23.09.10", "v6.20230315", "v6.20230315"),
    ],
)
def test_the_older_api_version_is_taken(release: str, asked: str | None, agreed: str) -> None:
    async def main() -> None:
        options = {"version": asked} if asked else {}
        async with Cluster(ModelService("s", ["m"], says("hi")), **options) as cluster:
            cluster.manager.release = release
            await cluster.refresh()
            assert (await cluster.ask())[0] == 200
            hello, *signed = [parse(call) for call in cluster.manager.server.calls]
            assert hello[:2] == ("GET", "/") and "authorization" not in hello[2]
            assert {headers["x-backendai-version"] for _, _, headers in signed} == {agreed}
            await cluster.refresh()
            assert [parse(call)[1] for call in cluster.manager.server.calls].count("/") == 1

    run(main())


def test_a_version_that_nobody_told_is_refused_with_what_to_do_and_asked_for_anew() -> None:
    async def main() -> None:
        async def silent(call: Call) -> bool:
            if parse(call)[1] != "/":
                return False
            await call.json(b'{"title":"Unknown URL path."}', 404)
            return True

        async with Cluster(ModelService("s", ["m"], says("hi"))) as cluster:
            cluster.manager.release = "23.09.10"
            cluster.manager.before = silent
            message = await refusal(cluster)
            assert "does not know the API version v9.20250722" in message and "give an older one" in message
            cluster.manager.before = None
            await cluster.refresh()
            assert (await cluster.ask())[0] == 200

    run(main())


def test_a_manager_that_was_asked_too_often_is_left_alone() -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            cluster.manager.rate_limit = 0
            with pytest.raises(UpstreamFailed, match="You have reached your API query rate limit"):
                await cluster.refresh()
            asked = len(cluster.manager.server.calls)
            cluster.manager.revoke(service)
            for _ in range(3):
                with pytest.raises(UpstreamFailed, match="left alone for another 60 s"):
                    await cluster.refresh()
                with pytest.raises(UpstreamFailed, match="left alone for another 60 s"):
                    await cluster.backend._services[service.id]._renew()
            assert len(cluster.manager.server.calls) == asked

    run(main())


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "", "ä"])
def test_a_token_that_is_none_is_told(token: str) -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service) as cluster:
            cluster.manager.mint = lambda service, number: token
            with pytest.raises(UpstreamFailed, match="a token that cannot be sent"):
                await cluster.refresh()
            assert not service.server.calls

    run(main())


def test_the_end_of_a_token_is_read_where_it_is_told() -> None:
    service = ModelService("s", [], says("hi"))
    assert abs((expiry(service.token(1)) or 0) - time.time() - service.life) < 60
    for other in ("opaque", "a.b.c", "a.e30.c", "a.bnVsbA.c", ""):
        assert expiry(other) is None
