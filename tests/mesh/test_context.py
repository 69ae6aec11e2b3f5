"""One model on three nodes with 8,192, 2,048 and 2,048 tokens of context: a prompt finds where it fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from mesh.hosts import Node, Nodes, until

Three = tuple[Node, Node, Node]
TELLING = "word " * 3000
"""Its length says that it has about 3,000 tokens."""
DENSE = "1234567890" * 303
"""3,030 tokens, one a digit: as long as a text of 750."""


@pytest.fixture(scope="module")
def three(nodes: Nodes, starter_gguf: Path) -> Three:
    common: dict[str, Any] = {"model": starter_gguf, "slots": 1, "threads": 1}
    ada = nodes(1, "ada", context_length=2048, **common)
    bob = nodes(2, "bob", context_length=2048, **common)
    cyd = nodes(3, "cyd", context_length=8192, **common)
    ada.pair(bob)
    ada.pair(cyd)
    until(lambda: ada.routes_to(bob) and ada.routes_to(cyd))
    return ada, bob, cyd


def ask(node: Node, text: str, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
    messages = [{"role": "user", "content": text}]
    body = {"model": "smol", "messages": messages, "max_tokens": 1, **more}
    return node.http.post(path, json=body)


def contexts(node: Node) -> dict[str, int]:
    listed = node.http.get("/v1/models/smol").json()["bago"]["nodes"]
    return {place["node"]: place["context_length"] for place in listed}


def test_what_is_not_loaded_is_offered_with_the_context_that_it_would_get(three: Three) -> None:
    ada = three[0]
    assert contexts(ada) == {"ada": 2048, "bob": 2048, "cyd": 8192}
    assert {model.id: model.context_length for model in ada.offers(three[1])} == {"smol": 2048}
    ada.client.load("smol", context_length=1024)
    assert contexts(ada)["ada"] == 1024
    ada.client.unload("smol")
    assert contexts(ada)["ada"] == 2048


def test_a_prompt_goes_to_where_it_fits(three: Three) -> None:
    ada = three[0]
    for _ in range(2):
        answer = ask(ada, TELLING)
        assert (answer.status_code, answer.headers["x-bago-node"]) == (200, "cyd"), answer.text
        assert answer.headers["x-bago-attempts"] == "1"
    assert ada.client.why().candidates[0].tight is False


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_and_moves_on_to_there_after_a_refusal(three: Three, path: str) -> None:
    ada = three[0]
    ada.client.configure(policy="priority")
    ada.client.change_node("cyd", priority=9)
    try:
        answer = ask(ada, f"{path} {DENSE}", path)
        assert (answer.status_code, answer.headers["x-bago-node"]) == (200, "cyd"), answer.text
        decision = ada.client.why(answer.headers["x-request-id"])
        assert [attempt.node for attempt in decision.attempts][-1] == "cyd"
        assert [attempt.cause for attempt in decision.attempts[:-1]] == ["context"]
        ada.client.configure(policy="balanced")
        again = ask(ada, f"{path} {DENSE}", path)
        decision = ada.client.why(again.headers["x-request-id"])
        assert decision.candidates[0].node == "cyd", "what was refused was not read"
    finally:
        ada.client.change_node("cyd", priority=0)
        ada.client.configure(policy="balanced")


def test_the_client_hears_when_it_fits_nowhere(three: Three) -> None:
    ada = three[0]
    chat = ask(ada, DENSE * 3)
    assert (chat.status_code, chat.json()["error"]["code"]) == (400, "context_length_exceeded")
    messages = ask(ada, DENSE * 3, "/v1/messages")
    assert messages.status_code == 400
    assert messages.json()["error"]["message"].startswith("prompt is too long")
