"""Statistics of a node with a real model, over every dialect and a restart."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anthropic
import httpx
import openai
import pytest
from headless import until

import bago_jupyter as bago
from bago_jupyter.client import AsyncNodeClient, NodeClient
from bago_jupyter.errors import InvalidRequest, ModelNotFound
from bago_jupyter.loops import LoopThread
from bago_jupyter.settings import Settings
from bago_jupyter.wire import StatsRow

HI = [{"role": "user", "content": "Say hello."}]
COLD = {"temperature": 0}
COUNTED = 'bago_requests_total{dialect="chat",model="smol"'


@contextmanager
def running(home: Path) -> Iterator[NodeClient]:
    thread = LoopThread()
    values = {"home": home, "port": 0, "name": "here", "context_length": 1024, "slots": 2}
    node = bago.Node(Settings.load(values, {}), place="thread")
    thread.run(node.start(), 60)
    client = NodeClient(node.file)
    try:
        yield client
    finally:
        client.close()
        thread.run(node.stop(), 60)
        thread.stop()


def everything(node: NodeClient) -> None:
    """Whole and streamed in every dialect, failures, and one that is given up."""
    with openai.OpenAI(base_url=node.base_url, api_key=node.api_key, max_retries=0) as client:
        for stream in (False, True):
            for answer in (
                client.chat.completions.create(
                    model="smol", messages=HI, max_tokens=8, temperature=0, stream=stream
                ),
                client.completions.create(
                    model="here/smol", prompt="Once", max_tokens=8, temperature=0, stream=stream
                ),
                client.responses.create(
                    model="smol", input="Hi", max_output_tokens=8, temperature=0, stream=stream
                ),
            ):
                if stream:
                    list(answer)
        client.embeddings.create(model="smol", input=["one", "two"])
        with pytest.raises(openai.BadRequestError):
            client.post("/rerank", body={"model": "smol", "query": "a", "documents": ["b"]}, cast_to=object)
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="gpt-5", messages=HI)
    with anthropic.Anthropic(base_url=node.url, api_key="any", max_retries=0) as client:
        client.messages.create(model="smol", max_tokens=8, messages=HI, extra_body=COLD)
        with client.messages.stream(model="smol", max_tokens=8, messages=HI, extra_body=COLD) as stream:
            stream.until_done()
    body = {"model": "smol", "messages": HI, "max_tokens": 900, "stream": True, "ignore_eos": True}
    with httpx.stream("POST", f"{node.url}/v1/chat/completions", json=body, timeout=60) as given_up:
        next(given_up.iter_bytes())
    until(lambda: node.status().requests.in_flight == 0 and node.status().requests.cancelled == 1)


def found(rows: list[StatsRow]) -> dict[str, tuple[int, int, int]]:
    return {row.dialect or "": (row.ok, row.failed, row.cancelled) for row in rows}


EXPECTED = {
    "chat": (2, 1, 1),
    "completions": (2, 0, 0),
    "embeddings": (1, 0, 0),
    "rerank": (0, 1, 0),
    "responses": (2, 0, 0),
    "messages": (2, 0, 0),
}


def test_all_dialects_count_and_a_restart_forgets_nothing(tmp_path: Path, starter_gguf: Path) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    (home / "models" / "smol.gguf").symlink_to(starter_gguf)
    with running(home) as node:
        assert node.stats() == []
        everything(node)
        before = node.stats(["dialect"])
        assert found(before) == EXPECTED
        assert COUNTED in httpx.get(node.url + "/metrics").text
        by_model = {(row.model, row.node): row.requests for row in node.stats()}
        assert by_model == {("smol", "here"): 10, ("smol", ""): 1, ("gpt-5", ""): 1}
        for row in before:
            if row.dialect in ("chat", "completions", "responses", "messages"):
                assert row.prompt_tokens > 0 and row.completion_tokens > 2, row
                assert row.tokens_per_second is not None and row.tokens_per_second > 0, row
                assert row.first_token_p50 is not None and row.latency_p50 is not None
                assert 0 < row.first_token_p50 <= row.first_token_p95 <= row.first_token_p99
                assert 0 < row.latency_p50 <= row.latency_p95 <= row.latency_p99
        assert next(row for row in before if row.dialect == "embeddings").first_token_p50 is None
        (whole,) = node.stats([])
        counts = node.status().requests
        assert (whole.ok, whole.failed, whole.cancelled) == (counts.ok, counts.failed, counts.cancelled)
        assert (whole.prompt_tokens, whole.completion_tokens) == (
            counts.prompt_tokens,
            counts.completion_tokens,
        )
    assert stat.S_IMODE((home / "stats.db").stat().st_mode) == 0o600
    with running(home) as node:
        assert node.status().requests.total == 0
        assert node.stats(["dialect"]) == before
        with pytest.raises(ModelNotFound, match="No node has"), node.chat(HI, model="nothing"):
            pass
        assert found(node.stats(["dialect"], since=3600)) == {**EXPECTED, "chat": (2, 2, 1)}
        assert COUNTED not in httpx.get(node.url + "/metrics").text
        (line,) = node.series(since=3600, points=6)
        assert (line.step, len(line.requests), sum(line.requests)) == (600, 6, whole.requests + 1)
        lines = node.series(["model", "node"], since=7 * 86400, points=7)
        assert [(line.model, line.node, sum(line.requests)) for line in lines] == [
            ("smol", "here", 10),
            ("gpt-5", "", 1),
            ("nothing", "", 1),
            ("smol", "", 1),
        ]


def test_both_clients_and_what_they_may_not_ask(node: NodeClient) -> None:
    with node.chat(HI, model="smol", max_tokens=2) as (_, pieces):
        list(pieces)

    async def ask() -> object:
        client = AsyncNodeClient(node.node)
        try:
            return await client.stats(["caller"]), await client.series(points=3)
        finally:
            await client.close()

    rows, lines = asyncio.run(ask())
    assert rows == node.stats(["caller"]) and [row.requests for row in rows] == [1]
    assert [sum(line.requests) for line in lines] == [1]
    assert [sum(line.requests) for line in node.series(points=3)] == [1]
    with pytest.raises(InvalidRequest, match="did you mean model"):
        node.stats(["modle"])
    with pytest.raises(InvalidRequest, match="400 days"):
        node.stats(since=1e9)


@pytest.mark.parametrize(
    "query", ["since=yesterday", "since=nan", "since=inf", "since=-1", "points=1e99", "points=x", "by=a,,b"]
)
def test_rubbish_in_a_query(node: NodeClient, query: str) -> None:
    headers = {"authorization": f"Bearer {node.node.admin_token}"}
    answer = httpx.get(f"{node.url}/api/v1/stats/series?{query}", headers=headers)
    assert answer.status_code == 400
    assert json.loads(answer.text)["error"]["type"] == "invalid_request_error"


def test_management_only(node: NodeClient) -> None:
    for path in ("stats", "stats/series"):
        assert httpx.get(f"{node.url}/api/v1/{path}").status_code == 401
