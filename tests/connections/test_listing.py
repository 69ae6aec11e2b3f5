"""Lists of models in the forms that servers give them."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import msgspec
import pytest
from connections.servers import Server
from faults import Call, Faults

from bago_jupyter.backends.modellist import MOST_MODELS, NotAList
from bago_jupyter.backends.target import Target
from bago_jupyter.connections.kinds import KINDS
from bago_jupyter.connections.listing import KeyRefused, Warming, fetch, look, read
from bago_jupyter.errors import UpstreamFailed

OPENAI = KINDS["openai"]


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


@pytest.mark.parametrize(
    ("entry", "context"),
    [
        ({"max_model_len": 8192, "owned_by": "vllm"}, 8192),
        ({"meta": {"n_ctx": 512, "n_ctx_train": 2048}, "owned_by": "llamacpp"}, 512),
        ({"meta": None}, None),
        ({"context_length": 131072}, 131072),
        ({"max_input_tokens": 200000, "display_name": "Claude"}, 200000),
        ({"bago": {"nodes": [{"context_length": 4096}, {"context_length": None}]}}, 4096),
        ({"max_model_len": "much", "meta": []}, None),
        ({"created": 1, "object": "model"}, None),
        ({"metadata": {"max_request_context_length": 4096}, "owned_by": "ray"}, 4096),
        ({"rayllm_metadata": {"max_request_context_length": 2048.0}}, 2048),
        ({"metadata": ["?"], "owned_by": 7, "context_length": 512}, 512),
        ({"bago": {"nodes": ["?", {"context_length": "x"}]}}, None),
        ({"max_model_len": 10**300}, None),
        ({"max_model_len": -1, "context_length": 4096}, 4096),
    ],
)
def test_context_lengths(entry: dict[str, Any], context: int | None) -> None:
    body = msgspec.json.encode({"data": [{"id": "m", **entry}]})
    (found,) = read(body, OPENAI)
    assert (found.id, found.context_length) == ("m", context)


@pytest.mark.parametrize(
    ("entry", "tasks"),
    [
        ({}, None),
        ({"type": "model"}, None),
        ({"type": "embedding"}, {"embed"}),  # Together
        ({"type": "llm"}, {"generate"}),  # LM Studio
        ({"mode": "rerank"}, {"rerank"}),  # LiteLLM
        ({"capabilities": ["completion", "multimodal"]}, {"generate"}),  # llama-server
        ({"capabilities": {"completion_chat": True, "vision": True, "embedding": False}}, {"generate"}),
        ({"bago": {"nodes": [{"tasks": ["generate"]}, {"tasks": ["embed", "?"]}]}}, {"generate", "embed"}),
        ({"type": ["?"], "mode": {}, "capabilities": 7, "bago": {"nodes": {}}}, None),
    ],
)
def test_what_models_are_said_to_do(entry: dict[str, Any], tasks: set[str] | None) -> None:
    (found,) = read(msgspec.json.encode({"data": [{"id": "m", **entry}]}), OPENAI)
    assert found.tasks == tasks


@pytest.mark.parametrize(
    ("entry", "created"),
    [
        ({"created": 1700000000}, 1700000000),
        ({"created": 1700000000.5}, 1700000000),
        ({"created_at": "2023-11-14T22:13:20Z"}, 1700000000),
        ({"created": "2023-11-14T22:13:20+00:00"}, 1700000000),
        ({"created": 0}, None),
        ({"created": None, "created_at": "yesterday"}, None),
        ({"created": 10**15}, None),
        ({"created": [1], "created_at": {}}, None),
    ],
)
def test_when_a_model_was_made(entry: dict[str, Any], created: int | None) -> None:
    (found,) = read(msgspec.json.encode({"data": [{"id": "m", **entry}]}), OPENAI)
    assert found.created == created


def test_names() -> None:
    def ids(body: bytes, type: str = "openai") -> list[str]:
        return [found.id for found in read(body, KINDS[type])]

    assert ids(b'{"data":[{"id":"models/gemini-x"}]}', "gemini") == ["gemini-x"]
    assert ids(b'[{"id":"a"},{"id":"b"},{"id":"a"}]') == ["a", "b"]
    assert ids(b'{"data":[{"id":""},{"id":"x\\u001b[31m"},{"id":"ok"}]}') == ["ok"]
    assert ids(msgspec.json.encode({"data": [{"id": "x" * 600}]})) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b'{"data":{}}',
        b'{"data":[{"name":"m"}]}',
        b"\xff",
        b'{"data":[{"id":"\xff"}]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_list(body: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="base URL"):
        read(body, OPENAI)


@pytest.mark.parametrize(
    ("type", "owner", "warms"),
    [
        ("openai", "llamacpp", True),
        ("openai", "vllm", True),
        ("openai", "litellm", False),  # its /health has every model generate something
        ("openai", "sglang", False),  # as does this one's
        ("continuum_router", "x", True),
        ("backend_ai_go", "x", True),
    ],
)
def test_health_is_asked_only_where_it_costs_nothing(type: str, owner: str, warms: bool) -> None:
    async def main() -> None:
        server = Server("m")
        server.owner, server.health_status = owner, 503
        async with Faults(server) as faults:
            target = Target(faults.url)
            if warms:
                with pytest.raises(Warming):
                    await look(target, KINDS[type], "c")
                server.health_status = 404
            seen = await look(target, KINDS[type], "c")
            assert [model.id for model in seen.models] == ["m"]
            assert seen.latency > 0
            asked = [call.head.split()[1] for call in faults.calls]
            assert (b"/health" in asked) == warms
            target.pool.close()

    run(main())


def test_an_endless_list_is_cut() -> None:
    body = msgspec.json.encode({"data": [{"id": str(number)} for number in range(MOST_MODELS + 5)]})
    assert len(read(body, OPENAI)) == MOST_MODELS


def test_a_list_that_only_drips_leaves_no_connection_behind() -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def drip(call: Call) -> None:
            try:
                await call.raw(b"HTTP/1.1 200 X\r\ncontent-length: 100000\r\n\r\n")
                while not call.gone.is_set():
                    await call.raw(b"x")
                    await asyncio.sleep(0.01)
            finally:
                gone.set()

        async with Faults(drip) as server:
            with pytest.raises(UpstreamFailed, match="no whole answer within"):
                await fetch(Target(server.url), "/v1/models", 1.0)
            await gone.wait()

    run(main())


def test_a_key_that_is_refused_with_400_as_gemini_does() -> None:
    async def refuse(call: Call) -> None:
        await call.json(
            b'[{"error":{"code":400,"message":"API key not valid. Please pass a valid one."}}]', 400
        )

    async def main() -> None:
        async with Faults(refuse) as server:
            with pytest.raises(KeyRefused):
                await fetch(Target(server.url), "/v1/models")

    run(main())


def test_a_list_that_comes_packed_is_read() -> None:
    async def packed(call: Call) -> None:
        assert b"accept-encoding: identity" in call.head
        await call.json(gzip.compress(b'{"data":[]}'), extra=b"content-encoding: gzip\r\n")

    async def main() -> None:
        async with Faults(packed) as server:
            assert await fetch(Target(server.url), "/v1/models") == b'{"data":[]}'

    run(main())


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (b'{"data":[{"id":"a"},{"id":7}]}', ["a"]),
        (b'{"data":[{"id":"a"},{"name":"b"},{"id":"c"}]}', ["a", "c"]),
        (b'{"data":[{"id":"a"},"b",null,[1]]}', ["a"]),
        (b'[{"id":"a"},{"id":null}]', ["a"]),
        (b'{"data":[{"id":"a","created":NaN},{"id":"b","created":1e500}]}', ["a", "b"]),
        (b'{"data":[{"id":"a","owned_by":"\xff"},{"id":"b\\ud800"},{"id":"c"}]}', ["a", "c"]),
        (b'\xef\xbb\xbf{"data":[{"id":"a"}]}', ["a"]),
        (b'{"object":"list","data":null}', []),  # Ollama before its first model
    ],
)
def test_an_odd_entry_hides_none_of_the_others(body: bytes, ids: list[str]) -> None:
    assert [found.id for found in read(body, OPENAI)] == ids


@pytest.mark.parametrize("body", [b'{"data":"a"}', b'{"data":{}}', b"[1,2]", b"{}", b"null", b"[" * 100_000])
def test_what_is_no_list_of_models(body: bytes) -> None:
    with pytest.raises(NotAList):
        read(body, OPENAI)
