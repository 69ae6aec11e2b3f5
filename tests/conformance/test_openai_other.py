"""Models, completions, embeddings, responses and rerank by the ``openai`` package."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from mesh.hosts import Node

from conformance.desk import FIXED


def test_models(client: openai.OpenAI, starter_gguf: Path) -> None:
    models = {model.id: model for model in client.models.list()}
    assert set(models) >= {"smol", "caller", "org/ranker"}
    assert models["smol"].owned_by == "bob" and models["smol"].object == "model"
    (place,) = models["smol"].bago["nodes"]  # type: ignore[attr-defined]
    assert (place["node"], place["health"], place["context_length"]) == ("bob", "healthy", 1024)
    assert models["smol"].created == int(starter_gguf.stat().st_mtime)
    assert client.models.list().object == "list"


@pytest.mark.parametrize("name", ["SMOL", "smol:latest", "Bob/Smol"])
def test_names_as_other_software_spells_them(client: openai.OpenAI, name: str) -> None:
    got = client.chat.completions.create(
        model=name, messages=[{"role": "user", "content": "Hi"}], max_tokens=2, **FIXED
    )
    assert got.choices[0].message.content is not None
    assert client.models.retrieve(name).bago["nodes"][0]["model"] == "smol"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n_predict"])
def test_a_bound_is_any_json_number(http: httpx.Client, name: str) -> None:
    body = {"model": "smol", "messages": [{"role": "user", "content": "Count."}], name: 3.0, "top_k": 40.0}
    got = http.post("/v1/chat/completions", json=body)
    assert got.status_code == 200, got.text
    assert got.json()["usage"]["completion_tokens"] == 3


def test_models_by_name(client: openai.OpenAI) -> None:
    for name in ("smol", "bob/smol", "org/ranker", "bob/org/ranker"):
        assert client.models.retrieve(name).id == name
    for name in ("nope", "ada/smol", "bob/", "org"):
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve(name)
        assert caught.value.code == "model_not_found"


def test_a_model_named_with_its_node(client: openai.OpenAI) -> None:
    named = client.chat.completions.with_raw_response.create(
        model="bob/smol", messages=[{"role": "user", "content": "bob/smol"}], max_tokens=2, **FIXED
    )
    plain = client.chat.completions.create(
        model="smol", messages=[{"role": "user", "content": "bob/smol"}], max_tokens=2, **FIXED
    )
    assert named.headers["x-bago-node"] == "bob"
    assert named.parse().choices[0].message.content == plain.choices[0].message.content


def test_completions(client: openai.OpenAI, bob: Node) -> None:
    options: dict[str, Any] = {"model": "smol", "prompt": "Once upon a", "max_tokens": 8, **FIXED}
    whole = client.completions.create(**options)
    assert whole.object == "text_completion" and whole.choices[0].finish_reason == "length"
    there = bob.http.post("/v1/completions", json=options).json()
    assert whole.choices[0].text == there["choices"][0]["text"]
    with client.completions.create(**options, stream=True) as stream:
        pieces = [chunk.choices[0].text for chunk in stream if chunk.choices]
    assert "".join(pieces) == whole.choices[0].text and len(pieces) > 4
    several = client.completions.create(**{**options, "prompt": ["Once upon a", "The"]})
    assert [choice.index for choice in several.choices] == [0, 1]


def test_embeddings(client: openai.OpenAI) -> None:
    """The package asks for base64 by itself and decodes it."""
    asked = ["an apple", "a stone", "an apple"]
    got = client.embeddings.create(model="smol", input=asked)
    assert [entry.index for entry in got.data] == [0, 1, 2]
    first, second, third = (entry.embedding for entry in got.data)
    assert len(first) == 576
    assert first == pytest.approx(third, abs=1e-3) and first != pytest.approx(second, abs=1e-3)
    assert got.usage.prompt_tokens > 0
    floats = client.embeddings.create(model="smol", input=asked[0], encoding_format="float").data[0].embedding
    packed: Any = (
        client.embeddings.create(model="smol", input=asked[0], encoding_format="base64").data[0].embedding
    )
    unpacked = struct.unpack("<576f", base64.b64decode(packed))
    assert floats == pytest.approx(first, abs=1e-3) and floats == pytest.approx(unpacked, abs=1e-4)


def test_an_embedding_of_too_much(client: openai.OpenAI, ada: Node, bob: Node) -> None:
    """Is the request's fault, however often it comes, and takes the model from nobody."""
    for _ in range(5):
        with pytest.raises(openai.BadRequestError, match="too large") as caught:
            client.embeddings.create(model="smol", input=["short", "word " * 3000])
        assert caught.value.code == "context_length_exceeded"
    assert client.embeddings.create(model="smol", input="short").data
    assert ada.routes_to(bob)


def test_responses(client: openai.OpenAI) -> None:
    got = client.responses.create(
        model="smol", input="Say hello.", instructions="Be brief.", max_output_tokens=8, temperature=0
    )
    assert got.object == "response" and got.status in ("completed", "incomplete")
    assert got.output_text
    assert got.usage and 1 <= got.usage.output_tokens <= 8
    with client.responses.create(
        model="smol", input=[{"role": "user", "content": "Say hello."}], max_output_tokens=8, stream=True
    ) as stream:
        events = list(stream)
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert said == events[-1].response.output_text


def test_responses_that_are_not_kept(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no route"):
        client.responses.retrieve("resp_1")
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        client.responses.create(model="smol", input="x", previous_response_id="resp_1")


def test_rerank(http: httpx.Client, bob: Node) -> None:
    asked = {"model": "org/ranker", "query": "fruit", "documents": ["apple is a fruit", "a stone", "pear"]}
    got = http.post("/v1/rerank", json=asked)
    assert got.status_code == 200, got.text
    assert got.headers["x-bago-node"] == "bob"
    results = got.json()["results"]
    assert sorted(result["index"] for result in results) == [0, 1, 2]
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 3
    assert bob.http.post("/v1/rerank", json=asked).json()["results"] == results
    assert len(http.post("/v1/rerank", json={**asked, "top_n": 1}).json()["results"]) == 1
    for wrong in ({**asked, "documents": []}, {**asked, "documents": ["apple " * 500]}):
        assert http.post("/v1/rerank", json=wrong).status_code == 400
    cannot = http.post("/v1/rerank", json={**asked, "model": "smol"})
    assert (cannot.status_code, cannot.json()["error"]["code"]) == (400, "unsupported")
    cannot = http.post("/v1/chat/completions", json={"model": "org/ranker", "messages": []})
    assert "cannot generate" in json.dumps(cannot.json()) and cannot.status_code == 400
