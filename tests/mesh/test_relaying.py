"""Requests answered by the model of another node."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from mesh.hosts import MESSAGES, Inside, Node, Nodes, identity_of, mesh, token_of, until


@pytest.fixture(scope="module")
def chain(nodes: Nodes, starter_gguf: Path) -> tuple[Node, Node, Node]:
    """Ada is paired with bob, bob with cyd, who alone has the model ``third``; bob has ``smol``."""
    ada, bob, cyd = nodes(1, "ada"), nodes(2, "bob", model=starter_gguf, max_body=200_000), nodes(3, "cyd")
    (cyd.home.root / "models").mkdir(exist_ok=True)
    (cyd.home.root / "models" / "third.gguf").symlink_to(starter_gguf)
    ada.pair(bob)
    bob.pair(cyd)
    until(lambda: ada.routes_to(bob) and bob.routes_to(cyd, "third"))
    bob.client.load("smol")
    return ada, bob, cyd


@pytest.fixture
def ada(chain: tuple[Node, Node, Node]) -> Node:
    return chain[0]


@pytest.fixture
def bob(chain: tuple[Node, Node, Node]) -> Node:
    return chain[1]


def events(response: httpx.Response) -> list[Any]:
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_whole_answer(ada: Node, bob: Node) -> None:
    answer = ada.chat(temperature=0)
    assert answer.status_code == 200
    assert answer.headers["x-bago-node"] == "bob"
    assert answer.headers["x-bago-attempts"] == "1"
    body = answer.json()
    assert body["choices"][0]["message"]["content"]
    assert body["usage"]["completion_tokens"] <= 4
    here = ada.client.why(answer.headers["x-request-id"])
    there = bob.client.why(answer.headers["x-request-id"])
    assert (here.caller, there.caller) == ("local", "peer:ada")
    assert here.completion_tokens == there.completion_tokens == body["usage"]["completion_tokens"]


def test_streamed_answer_is_the_same(ada: Node, bob: Node) -> None:
    fixed = {"temperature": 0, "seed": 1, "max_tokens": 12}
    whole = ada.chat(**fixed).json()["choices"][0]["message"]["content"]
    streamed = ada.chat(model="bob/smol", stream=True, **fixed)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    parts = [
        choice["delta"].get("content") or "" for event in events(streamed) for choice in event["choices"]
    ]
    assert "".join(parts) == whole
    assert len(parts) > 3


def test_pieces_come_as_they_are_made(ada: Node) -> None:
    with ada.http.stream(
        "POST",
        "/v1/chat/completions",
        json={"model": "smol", "messages": MESSAGES, "stream": True, "max_tokens": 300, "ignore_eos": True},
    ) as answer:
        sizes = [len(chunk) for chunk in answer.iter_raw()]
    assert len(sizes) > 10


def test_embeddings(ada: Node) -> None:
    answer = ada.http.post("/v1/embeddings", json={"model": "smol", "input": ["one", "two"]})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-bago-node"] == "bob"
    assert [len(entry["embedding"]) for entry in answer.json()["data"]] == [576, 576]


def test_errors_keep_their_dialect(ada: Node, bob: Node) -> None:
    long = [{"role": "user", "content": "word " * 3000}]
    chat = ada.http.post("/v1/chat/completions", json={"model": "smol", "messages": long})
    assert chat.status_code == 400
    assert chat.json()["error"]["code"] == "context_length_exceeded"
    assert chat.json()["error"]["type"] == "invalid_request_error"
    messages = ada.http.post("/v1/messages", json={"model": "smol", "max_tokens": 4, "messages": long})
    assert messages.status_code == 400
    assert messages.json()["type"] == "error"
    assert messages.json()["error"]["type"] == "invalid_request_error"
    assert "code" not in messages.json()["error"]
    bad = ada.http.post("/v1/chat/completions", json={"model": "smol", "messages": "no list"})
    assert bad.status_code == 400 and bad.json()["error"]["message"]
    unknown = ada.chat(model="nobody-has-it")
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "model_not_found"


def test_what_the_peer_refuses_before_admission_comes_as_itself(ada: Node, bob: Node) -> None:
    """A body larger than the peer takes: its own answer, not a failure of the node."""
    answer = ada.chat(user="x" * 250_000)
    assert answer.status_code == 413, answer.text
    assert answer.json()["error"]["message"]
    body = json.dumps({"model": "hidden", "messages": MESSAGES}).encode()
    asking: dict[str, Any] = {"identity": identity_of(ada), "token": token_of(ada, bob)}
    bob.client.share("smol", False)
    try:
        hidden = json.dumps({"model": "smol", "messages": MESSAGES}).encode()
        status, said = mesh(
            ada.lan, 1, bob, "POST", "/mesh/v1/relay/v1/chat/completions", body=hidden, **asking
        )
        assert status == 200 and b'"status":404' in said and b"model_not_found" in said
    finally:
        bob.client.share("smol", True)
    status, _ = mesh(
        ada.lan, 1, bob, "POST", "/mesh/v1/relay/v1/chat/completions", body=b"x" * 250_000, **asking
    )
    assert status == 413
    status, _ = mesh(
        ada.lan, 1, bob, "POST", "/mesh/v1/relay/v1/chat/completions", body=b"{nonsense", **asking
    )
    assert status == 400
    status, _ = mesh(ada.lan, 1, bob, "POST", "/mesh/v1/relay/v1/nowhere", body=body, **asking)
    assert status == 404
    assert "Traceback" not in bob.log()
    until(lambda: ada.routes_to(bob))


def test_a_client_that_leaves_frees_the_slot_there(ada: Node, bob: Node) -> None:
    ask = {"model": "smol", "messages": MESSAGES, "stream": True, "max_tokens": 900, "ignore_eos": True}
    before = bob.client.status().requests.cancelled
    with ada.http.stream("POST", "/v1/chat/completions", json=ask) as answer:
        next(answer.iter_raw())
        until(lambda: any(slot.busy for slot in bob.client.slots("smol")))
    until(lambda: bob.client.status().requests.cancelled == before + 1)
    until(lambda: not any(slot.busy for slot in bob.client.slots("smol")))
    assert ada.client.why().outcome == "cancelled"


def test_a_client_that_leaves_before_the_first_byte_frees_it_too(ada: Node, bob: Node) -> None:
    before = bob.client.status().requests.cancelled
    ask = {"model": "smol", "messages": MESSAGES, "max_tokens": 900, "ignore_eos": True}
    client = httpx.Client(
        base_url=ada.client.url, transport=Inside(ada.lan, 1), timeout=httpx.Timeout(60, read=2)
    )
    with client, pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=ask)
    until(lambda: bob.client.status().requests.cancelled == before + 1)
    # every look at the slots keeps llama-server from noticing that the client has gone
    until(lambda: not any(slot.busy for slot in bob.client.slots("smol")), every=2.5)


def test_several_at_once(ada: Node) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ada.chat(max_tokens=8).status_code)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 6


def test_never_relayed_twice(chain: tuple[Node, Node, Node]) -> None:
    ada, bob, cyd = chain
    assert "third" in bob.models()
    assert "third" not in ada.models(health=None)
    assert ada.chat(model="third").status_code == 404
    body = json.dumps({"model": "third", "messages": MESSAGES}).encode()
    status, said = mesh(
        ada.lan,
        1,
        bob,
        "POST",
        "/mesh/v1/relay/v1/chat/completions",
        identity=identity_of(ada),
        token=token_of(ada, bob),
        body=body,
    )
    assert status == 200 and b"choices" not in said  # admitted; the true status is in the frame
    assert b'"status":404' in said or b'"status":503' in said
    assert cyd.client.decisions() == []


def test_control_needs_leave(ada: Node, bob: Node) -> None:
    from bago_jupyter.errors import BagoError

    with pytest.raises(BagoError, match="not let"):
        ada.client.unload("smol", on="bob")
    bob.client.change_node("ada", allow_control=True)
    try:
        assert ada.client.unload("smol", on="bob").state == "available"
        assert ada.client.load("smol", on="bob").state == "ready"
    finally:
        bob.client.change_node("ada", allow_control=False)


def test_a_pull_that_a_peer_began_is_seen_where_it_runs(ada: Node, bob: Node) -> None:
    from bago_jupyter.errors import BagoError
    from bago_jupyter.events import PullProgress

    told: list[tuple[str, str, str]] = []

    def listen() -> None:
        for event in bob.client.events():
            if isinstance(event, PullProgress):
                told.append((event.pull.by, event.pull.source, event.pull.state))
                if event.pull.state != "running":
                    return

    def pull() -> bool:
        with pytest.raises(BagoError):
            ada.client.pull("http://127.0.0.1:9/?secret", on="bob")  # names no file
        return bool(told)

    bob.client.change_node("ada", allow_control=True)
    try:
        listener = threading.Thread(target=listen)
        listener.start()
        until(pull)
        listener.join(30)
    finally:
        bob.client.change_node("ada", allow_control=False)
    assert told[-1] == ("peer:ada", "http://127.0.0.1:9/", "failed")
    assert bob.client.pulls() == []


def test_out_of_routing_by_the_owner(ada: Node, bob: Node) -> None:
    ada.client.change_node("bob", in_routing=False)
    try:
        until(lambda: not ada.routes_to(bob))
        refused = ada.chat()
        assert refused.status_code == 503
        assert "taken out of routing" in refused.json()["error"]["message"]
    finally:
        ada.client.change_node("bob", in_routing=True)
    until(lambda: ada.routes_to(bob))
