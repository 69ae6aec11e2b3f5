"""The ``openai`` and ``anthropic`` packages against a node with a real model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from headless import until

from bago_jupyter.client import NodeClient

HI = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def client(node: NodeClient) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=node.base_url, api_key=node.api_key, max_retries=0) as made:
        yield made


def test_a_whole_answer(client: openai.OpenAI, node: NodeClient) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="smol", messages=HI, max_tokens=8, temperature=0
    )
    got = raw.parse()
    assert got.choices[0].message.content
    assert got.usage is not None
    assert raw.headers["x-bago-node"] == "here"
    assert raw.headers["x-bago-attempts"] == "1"
    decision = node.why(raw.headers["x-request-id"])
    assert (decision.prompt_tokens, decision.completion_tokens) == (
        got.usage.prompt_tokens,
        got.usage.completion_tokens,
    )
    assert decision.outcome == "ok"


def test_a_stream_says_the_same_as_the_whole(client: openai.OpenAI) -> None:
    options = {"model": "smol", "messages": HI, "max_tokens": 16, "temperature": 0, "seed": 1}
    whole = client.chat.completions.create(**options).choices[0].message.content
    with client.chat.completions.create(
        **options, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert chunks[-1].usage.completion_tokens > 0
    assert len(chunks) > 5


def test_a_stream_that_was_read_to_its_last_word_is_ok(client: openai.OpenAI, node: NodeClient) -> None:
    before = node.status().requests
    for _ in range(10):
        list(client.chat.completions.create(model="smol", messages=HI, max_tokens=2, stream=True))
    until(lambda: not node.status().requests.in_flight)
    after = node.status().requests
    assert (after.ok - before.ok, after.cancelled - before.cancelled) == (10, 0)


def test_completions(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "smol", "prompt": "Once upon a", "max_tokens": 4, "temperature": 0}
    assert client.completions.create(**asked).choices[0].text
    pieces = list(client.completions.create(**asked, stream=True))
    assert len(pieces) >= 4


def test_embeddings_load_a_runner_of_their_own(client: openai.OpenAI, node: NodeClient) -> None:
    got = client.embeddings.create(model="smol", input=["one", "two", "one"])
    first, second, third = (entry.embedding for entry in got.data)
    assert len(first) == 576
    assert first == pytest.approx(third, abs=1e-3)
    assert first != pytest.approx(second, abs=1e-3)
    assert {slot.task for slot in node.slots("smol")} == {"generate", "embed"}


def test_responses(client: openai.OpenAI) -> None:
    got = client.responses.create(model="smol", input="Say hello.", max_output_tokens=8, temperature=0)
    assert got.output_text
    with client.responses.create(
        model="smol", input="Say hello.", max_output_tokens=8, stream=True
    ) as stream:
        kinds = [event.type for event in stream]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"


def test_anthropic_messages(node: NodeClient) -> None:
    with anthropic.Anthropic(base_url=node.url, api_key="any", max_retries=0) as client:
        got = client.messages.create(model="smol", max_tokens=8, messages=HI)
        assert got.usage.output_tokens > 0
        with client.messages.stream(
            model="smol", max_tokens=8, messages=HI, extra_body={"temperature": 0}
        ) as stream:
            assert "".join(stream.text_stream)
        assert client.messages.count_tokens(model="smol", messages=HI).input_tokens > 0
        with pytest.raises(anthropic.NotFoundError, match="No node has a model"):
            client.messages.create(model="nope", max_tokens=8, messages=HI)


def test_models_are_listed_once_with_where_they_are(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data
    assert model.id == "smol"
    (where,) = model.bago["nodes"]  # type: ignore[attr-defined]
    assert (where["node"], where["state"], where["quantization"]) == ("here", "ready", "Q4_1")
    assert client.models.retrieve("smol").id == "smol"
    with pytest.raises(openai.NotFoundError, match="No node has"):
        client.models.retrieve("other")


def test_a_model_can_be_named_with_its_node(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(model="here/smol", messages=HI, max_tokens=2)
    assert got.choices


def test_an_unknown_model_lists_the_known(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="known: smol") as caught:
        client.chat.completions.create(model="gpt-5", messages=HI)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_prompt_over_the_context(client: openai.OpenAI) -> None:
    for words in (1_100, 100_000):  # the runner's own word, and the gate's
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model="smol", messages=[{"role": "user", "content": "word " * words}]
            )
        assert caught.value.code == "context_length_exceeded"
    assert client.chat.completions.create(model="smol", messages=HI, max_tokens=1).choices


def test_what_the_model_cannot_do(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot rerank") as caught:
        client.post("/rerank", body={"model": "smol", "query": "a", "documents": ["b"]}, cast_to=object)
    assert caught.value.code == "unsupported"


def test_a_bad_parameter_is_the_requests_fault(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="smol", messages="hello")  # type: ignore[call-overload]
    assert caught.value.type == "invalid_request_error"


def test_tools_and_json_mode_reach_the_runner(client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    got = client.chat.completions.create(
        model="smol",
        messages=HI,
        max_tokens=32,
        temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert '"n"' in (got.choices[0].message.content or "")
