"""The services of a cluster as one backend: found, shared, replaced where they fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clusters import Cluster, answers, bearers, dead, frozen, run, says
from faults import Call, Faults
from manager import ModelService, parse

from bago_jupyter.backends.cluster import ServicesFailed
from bago_jupyter.errors import Unavailable, Unsupported, UpstreamFailed


def test_services_become_offers_and_a_token_opens_them() -> None:
    async def main() -> None:
        service = ModelService("llama", ["m", "n"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            offers = list(cluster.backend.offers())
            assert [(offer.model, offer.node, offer.context_length) for offer in offers] == [
                ("m", "cluster", 4096),
                ("n", "cluster", 4096),
            ]
            assert {offer.backend for offer in offers} == {"backend_ai_cluster:cluster"}
            status, body = await cluster.ask()
            assert status == 200 and b"hi" in body
            assert (cluster.last.prompt_tokens, cluster.last.outcome) == (7, "ok")
            for _ in range(3):
                await cluster.refresh()
            (token,) = cluster.manager.minted_for(service)
            assert set(bearers(service)) == {token}
            assert cluster.in_flight == 0

    run(main())


def test_a_public_service_is_asked_without_a_token() -> None:
    async def main() -> None:
        service = ModelService("open", ["m"], says("hi"), public=True)
        async with Cluster(service) as cluster:
            await cluster.refresh()
            assert (await cluster.ask())[0] == 200
            assert set(service.authorizations) == {None} and not cluster.manager.minted
            service.public = False  # closed behind our back: what was listed is stale
            assert (await cluster.ask())[0] == 200
            assert len(cluster.manager.minted) == 1

    run(main())


def test_services_without_a_route_or_an_endpoint_are_left_alone() -> None:
    async def main() -> None:
        up = ModelService("up", ["m"], says("hi"))
        down = ModelService("down", ["m"], says("no"), routes=0)
        nowhere = ModelService("nowhere", ["m"], says("no"), endpoint=None)
        async with Cluster(down, up, nowhere) as cluster:
            await cluster.refresh()
            assert {(await cluster.ask())[0] for _ in range(4)} == {200}
            assert not down.server.calls and not nowhere.server.calls and not cluster.backend.errors
            up.routes = 0
            with pytest.raises(Unavailable, match="No service of cluster has an active route yet"):
                await cluster.refresh()
            assert not list(cluster.backend.offers())
            cluster.manager.services.clear()
            with pytest.raises(Unavailable, match="no model services"):
                await cluster.refresh()

    run(main())


def test_a_service_that_comes_back_at_another_place_is_found_there() -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("old"))
        async with Cluster(service) as cluster, Faults(service._serve) as moved:
            await cluster.refresh()
            service.endpoint = moved.url + "/v1"
            await cluster.refresh()
            assert (await cluster.ask())[0] == 200
            assert len(moved.calls) == 2 and len(service.server.calls) == 1

    run(main())


@pytest.mark.parametrize("prefix", ["", "/pre/fix"])
def test_the_manager_may_live_under_a_prefix(prefix: str) -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service, prefix=prefix) as cluster:
            await cluster.refresh()
            assert (await cluster.ask())[0] == 200
            paths = [parse(call)[1] for call in cluster.manager.server.calls]
            assert paths == [prefix + rest for rest in ("/", "/services", f"/services/{service.id}/token")]

    run(main())


async def web_page(call: Call) -> None:
    await call.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>")


@pytest.mark.parametrize("bad", [dead, answers(500), answers(404), web_page], ids=lambda bad: bad.__name__)
def test_one_bad_service_hides_nobody(bad: Callable[[Call], Any]) -> None:
    async def main() -> None:
        one, two = ModelService("one", ["m"], says("1")), ModelService("two", ["n"], says("2"))
        broken = ModelService("broken", ["x"], says("3"))
        async with Faults(bad) as server, Cluster(one, broken, two) as cluster:
            broken.endpoint = server.url
            await cluster.refresh()
            assert {offer.model for offer in cluster.backend.offers()} == {"m", "n"}
            assert set(cluster.backend.errors) == {"broken"} and cluster.backend.errors["broken"]
            assert (await cluster.ask("m"))[0] == (await cluster.ask("n"))[0] == 200
            broken.endpoint = ""
            await cluster.refresh()
            assert not cluster.backend.errors and (await cluster.ask("x"))[0] == 200

    run(main())


def test_entries_that_make_no_sense_hide_nobody() -> None:
    async def main() -> None:
        service = ModelService("good", ["m"], says("1"))
        odd = ModelService("odd", [], says("2"), endpoint="ftp://somewhere")
        async with Cluster(service, odd) as cluster:
            cluster.manager.extra = [{"id": 7}, "?"]
            await cluster.refresh()
            assert (await cluster.ask())[0] == 200
            assert set(cluster.backend.errors) == {"odd", "service 3", "service 4"}

    run(main())


def test_a_service_that_fails_later_keeps_its_models_and_says_why() -> None:
    async def main() -> None:
        good, bad = ModelService("good", ["m"], says("1")), ModelService("bad", ["n"], says("2"))
        async with Cluster(good, bad) as cluster:
            await cluster.refresh()
            bad.refuses = 403
            await cluster.refresh()
            offers = {offer.model: offer for offer in cluster.backend.offers()}
            assert (offers["m"].health, offers["n"].health) == ("healthy", "unhealthy")
            assert "refuses the token" in (offers["n"].reason or "")
            with pytest.raises(Unavailable, match="refuses the token"):
                await cluster.ask("n")
            good.refuses = 401
            with pytest.raises(ServicesFailed, match=r"No service of cluster can be used \(good: .*; bad: "):
                await cluster.refresh()

    run(main())


def test_services_with_the_same_model_share_the_work_by_their_routes() -> None:
    async def main() -> None:
        small = ModelService("small", ["m"], frozen, routes=1)
        large = ModelService("large", ["m"], frozen, routes=3)
        async with Cluster(small, large) as cluster:
            await cluster.refresh()
            tasks = [asyncio.create_task(cluster.open(header_timeout=30.0)) for _ in range(8)]
            while len(small.asked) + len(large.asked) < 8:
                await asyncio.sleep(0.001)
            assert (len(small.asked), len(large.asked)) == (2, 6)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert cluster.in_flight == 0
            small.answer = large.answer = says("hi")
            for _ in range(6):
                await cluster.ask()
            assert (len(small.asked), len(large.asked)) == (5, 9)  # one after the other when idle

    run(main())


@pytest.mark.parametrize("bad", [dead, frozen, answers(503), answers(429)], ids=lambda bad: bad.__name__)
def test_a_service_that_fails_is_replaced_by_the_next_and_rests(bad: Callable[[Call], Any]) -> None:
    async def main() -> None:
        one, two = ModelService("one", ["m"], bad), ModelService("two", ["m"], says("2"))
        async with Cluster(one, two) as cluster:
            await cluster.refresh()
            for _ in range(6):
                assert (await cluster.ask(header_timeout=1.0))[0] == 200
                assert len(cluster.last.attempts) == 1
            # what breaks off on a kept connection is asked once more on a new one
            assert len(one.asked) <= 1 + (bad is dead)
            assert len(two.asked) == 6 and cluster.in_flight == 0

    run(main())


def test_the_last_failure_is_the_answer_when_all_fail() -> None:
    async def main() -> None:
        services = [ModelService(name, ["m"], answers(503)) for name in ("one", "two")]
        async with Cluster(*services) as cluster:
            await cluster.refresh()
            assert (await cluster.ask())[0] == 503
            assert [len(service.asked) for service in services] == [1, 1]

    run(main())


@pytest.mark.parametrize("bad", [dead, frozen], ids=lambda bad: bad.__name__)
def test_the_breaker_of_one_model_closes_no_other(bad: Callable[[Call], Any]) -> None:
    async def main() -> None:
        ill, well = ModelService("ill", ["m"], bad), ModelService("well", ["n"], says("2"))
        async with Cluster(ill, well) as cluster:
            await cluster.refresh()
            for _ in range(3):
                with pytest.raises(UpstreamFailed, match="service ill of cluster"):
                    await cluster.ask("m", header_timeout=0.1)
                assert (await cluster.ask("n"))[0] == 200
            with pytest.raises(Unavailable, match="paused after failures"):
                await cluster.ask("m")
            assert len(ill.asked) == 3 + (bad is dead)  # once more on a new connection

    run(main())


def test_a_service_that_is_gone_for_good_closes_no_other_model() -> None:
    async def main() -> None:
        gone, well = ModelService("gone", ["m"], says("1")), ModelService("well", ["n"], says("2"))
        async with Cluster(gone, well) as cluster:
            await cluster.refresh()
            gone.server._server.close()
            for task in list(gone.server._tasks):
                task.cancel()
            with pytest.raises(UpstreamFailed, match="No connection"):
                await cluster.ask("m")
            assert (await cluster.ask("n"))[0] == 200
            with pytest.raises(UpstreamFailed, match="No connection"):  # and the reason is not the pause
                await cluster.ask("m")

    run(main())


def test_a_clients_own_mistake_is_its_own() -> None:
    async def main() -> None:
        one, two = (ModelService(name, ["m"], answers(400)) for name in ("one", "two"))
        async with Cluster(one, two) as cluster:
            await cluster.refresh()
            assert (await cluster.ask())[0] == 400
            assert len(one.asked) + len(two.asked) == 1 and len(cluster.manager.minted) == 2

    run(main())


def test_the_model_is_named_as_the_service_names_it() -> None:
    async def main() -> None:
        service = ModelService("s", ["org/m"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            body = b'{ "model" : "cluster/org/m", "messages":[]}'
            assert (await cluster.ask("cluster/org/m", body=body))[0] == 200
            assert service.asked[0].body == b'{ "model" : "org/m", "messages":[]}'

    run(main())


def test_streams_pass_and_leaving_closes_them() -> None:
    async def main() -> None:
        async def streams(call: Call) -> None:
            await call.sse_head()
            await call.chunk(b'data: {"choices":[]}\n\n')
            await call.gone.wait()

        service = ModelService("s", ["m"], streams)
        async with Cluster(service) as cluster:
            await cluster.refresh()
            answer = await cluster.open(stream=True)
            assert await answer.read() == b'data: {"choices":[]}\n\n'
            assert cluster.in_flight == 1
            answer.close()
            await asyncio.wait_for(service.asked[0].gone.wait(), 30)
            assert cluster.in_flight == 0 and cluster.last.outcome == "cancelled"

    run(main())


def test_what_is_not_spoken_is_refused_before_it_is_sent() -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            with pytest.raises(Unsupported, match="cannot answer /v1/messages/count_tokens"):
                await cluster.ask(path=b"/v1/messages/count_tokens", dialect="messages")
            assert not service.asked

    run(main())


def test_anthropic_messages_are_translated() -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
            status, answer = await cluster.ask(
                path=b"/v1/messages",
                dialect="messages",
                body=json.dumps(body).encode(),
                headers=[(b"anthropic-version", b"2023-06-01")],
            )
            method, path, headers = parse(service.asked[0])
            assert (method, path) == ("POST", "/v1/chat/completions")
            assert "anthropic-version" not in headers
            assert json.loads(answer)["content"] == [{"type": "text", "text": "hi"}] and status == 200

    run(main())


def test_a_real_server_behind_a_real_token(starter_gguf: Path) -> None:
    """llama-server checks the token by itself; the first one that the manager gives is not its own."""
    from bago_jupyter.engines.llama_cpp import LlamaCpp
    from bago_jupyter.engines.modelfile import read_model
    from bago_jupyter.engines.runner import Runner
    from bago_jupyter.engines.spec import RunnerSpec

    async def main() -> None:
        spec = RunnerSpec(
            path=str(starter_gguf), context_length=512, slots=2, aliases=("smollm2",), api_key="right-token"
        )
        runner = Runner(read_model(starter_gguf, "smollm2"), LlamaCpp(), spec, load_timeout=120.0)
        await runner.start()
        service = ModelService("llama", [], dead, endpoint=runner.url)
        try:
            async with Cluster(service) as cluster:
                cluster.manager.mint = lambda service, number: "right-token" if number % 2 else "stale"
                await cluster.refresh()
                assert [offer.model for offer in cluster.backend.offers()] == ["smollm2"]
                assert len(cluster.manager.minted) == 2  # the stale one was refused by /v1/models already
                fields = {"messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 4}
                body = json.dumps({"model": "cluster/smollm2", **fields}).encode()
                status, answer = await cluster.ask("cluster/smollm2", body=body, header_timeout=60.0)
                assert status == 200
                assert json.loads(answer)["usage"]["completion_tokens"] >= 1
                body = json.dumps({"model": "smollm2", "stream": True, **fields}).encode()
                status, answer = await cluster.ask("smollm2", body=body, stream=True, header_timeout=60.0)
                assert status == 200 and answer.rstrip().endswith(b"data: [DONE]")
                assert len(cluster.manager.minted) == 2 and cluster.in_flight == 0
        finally:
            await runner.stop()

    run(main())
