"""Tokens of a service: minted once for all, minted anew when refused, renewed ahead of their end."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from clusters import Cluster, answers, bearers, run, says
from faults import Call, Faults
from manager import SECRET_KEY, ModelService

from bago_jupyter.backends import HttpBackend, Request
from bago_jupyter.errors import BagoError, UpstreamFailed


def test_a_revoked_token_is_minted_anew_once_for_all() -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            cluster.manager.revoke(service)
            outcomes = await asyncio.gather(*(cluster.ask() for _ in range(20)))
            assert {status for status, _ in outcomes} == {200} and len(service.asked) == 20
            old, new = cluster.manager.minted_for(service)
            assert bearers(service).count(old) == 21 and bearers(service).count(new) == 20

    run(main())


def test_a_refusal_that_comes_late_costs_no_second_token() -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            cluster.manager.revoke(service)
            late = asyncio.Event()
            service.holds = [late]
            first = asyncio.create_task(cluster.ask())
            while service.holds:
                await asyncio.sleep(0.001)
            assert (await cluster.ask())[0] == 200 and len(cluster.manager.minted) == 2
            late.set()
            assert (await first)[0] == 200 and len(cluster.manager.minted) == 2

    run(main())


def test_a_mint_that_fails_is_asked_for_once_by_many() -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            cluster.manager.revoke(service)
            let_go = asyncio.Event()

            async def fails(call: Call) -> bool:
                await let_go.wait()
                await call.json(b'{"title":"Busy"}', 503)
                return True

            cluster.manager.before = fails
            before = len(cluster.manager.server.calls)
            offer = next(iter(cluster.backend.offers()))
            request = Request(id="r", path=b"/v1/chat/completions", body=b'{"model":"m"}', model="m")
            tasks = [asyncio.create_task(cluster.backend.open(request, offer)) for _ in range(20)]
            while len(service.authorizations) < 21:
                await asyncio.sleep(0.001)
            tasks[0].cancel()  # whoever leaves takes the token from nobody
            let_go.set()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(outcomes[0], asyncio.CancelledError)
            assert {str(outcome) for outcome in outcomes[1:]} == {
                "service s of cluster: The manager of cluster answered 503: Busy."
            }
            assert len(cluster.manager.server.calls) == before + 1 and cluster.in_flight == 0

    run(main())


@pytest.mark.parametrize("status", [401, 403])
def test_a_service_that_refuses_new_tokens_too_fails_over(status: int) -> None:
    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Faults(says("other")) as server, Cluster(service) as cluster:
            await cluster.refresh()
            service.refuses = status
            with pytest.raises(UpstreamFailed) as caught:
                await cluster.ask()
            assert caught.value.message == (
                "service s of cluster: it refuses the token that the cluster's manager has just made for it"
                f" ({status})."
            )
            assert len(cluster.manager.minted) == 2
            other = HttpBackend("other", server.url, ["m"])
            other.priority = 1
            cluster.dispatcher.add(other)
            for _ in range(10):
                assert b"other" in (await cluster.ask())[1]
            assert len(service.authorizations) <= 1 + 3 * 2  # the breaker has opened

    run(main())


def test_a_token_is_renewed_ahead_of_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("bago_jupyter.backends.service.time", SimpleNamespace(monotonic=lambda: now))

    async def main() -> None:
        nonlocal now
        service = ModelService("s", ["m"], says("hi"))
        service.life = 1000.0
        async with Cluster(service) as cluster:
            await cluster.refresh()
            now += 700
            await cluster.refresh()
            assert len(cluster.manager.minted) == 1
            now += 100
            await cluster.refresh()
            assert len(cluster.manager.minted) == 2
            now += 900
            await cluster.ask()
            assert len(cluster.manager.minted) == 2
            now += 150
            await cluster.ask()
            first, second, third = cluster.manager.minted_for(service)
            assert bearers(service) == [first, first, second, second, third]

    run(main())


def test_a_token_that_cannot_be_renewed_stays_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("bago_jupyter.backends.service.time", SimpleNamespace(monotonic=lambda: now))

    async def main() -> None:
        nonlocal now
        service = ModelService("s", ["m"], says("hi"))
        service.life = 1000.0
        async with Cluster(service) as cluster:
            await cluster.refresh()

            async def fails(call: Call) -> bool:
                if b"/token" in call.head:
                    await call.json(b'{"title":"Busy"}', 503)
                return b"/token" in call.head

            cluster.manager.before = fails
            now += 800
            await cluster.refresh()
            assert not cluster.backend.errors and (await cluster.ask())[0] == 200
            assert len(bearers(service)) == 3 and len(cluster.manager.minted) == 1

    run(main())


def test_an_answer_to_a_request_counts_as_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("bago_jupyter.backends.service.time", SimpleNamespace(monotonic=lambda: now))

    async def main() -> None:
        nonlocal now
        made = ModelService("s", ["m"], says("hi"))
        async with Cluster(made) as cluster:
            await cluster.refresh()
            (service,) = cluster.backend._services.values()
            assert service.due == 1060.0
            now += 50
            await cluster.ask()
            assert service.due == 1110.0
            now = 1290.0
            await cluster.ask()
            assert service.due == 1300.0  # the models are listed anew all the same
            made.answer = answers(502)
            await cluster.ask()
            assert service.due == 1290.0
            made.refuses = 403
            for wait in (5.0, 10.0, 20.0, 30.0, 30.0):
                await cluster.backend.check([service])
                assert service.error and service.due == now + wait
            made.refuses, made.answer = 0, says("hi")
            await cluster.ask()
            assert service.error is None

    run(main())


def test_nothing_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        service = ModelService("s", ["m"], says("hi"))
        async with Cluster(service) as cluster:
            await cluster.refresh()
            await cluster.ask()
            service.refuses = 401
            with pytest.raises(BagoError) as caught:
                await cluster.ask()
            shown = [caplog.text, repr(cluster.last), str(caught.value), repr(cluster.backend)]
            things: list[Any] = [cluster.backend, *cluster.backend._services.values()]
            things += [thing._target for thing in things[1:]]
            shown += [repr(vars(thing)) for thing in things]
            shown += [repr(list(cluster.backend.offers())), repr(cluster.backend.errors)]
            for secret in (SECRET_KEY, *cluster.manager.minted_for(service)):
                assert not any(secret in text for text in shown)

    run(main())
