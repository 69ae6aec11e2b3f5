"""The model of a chat that names none, and a node that cannot be reached."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bago_jupyter.client.answers import NodeEvents, decode, error_of, pick, pick_anywhere, reachable
from bago_jupyter.errors import BagoError, ModelNotFound, NodeUnreachable
from bago_jupyter.wire import JobEvent, ModelInfo


def place(
    backend: str, state: str = "ready", health: str = "healthy", task: str = "generate"
) -> dict[str, Any]:
    return {"backend": backend, "state": state, "health": health, "tasks": [task]}


def listed(**models: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data": [{"id": id, "bago": {"nodes": places}} for id, places in models.items()]}


def test_a_loaded_model_of_the_library_comes_first() -> None:
    chat = ["generate"]
    models = [
        ModelInfo(id="a", state="failed", tasks=chat),
        ModelInfo(id="b", state="ready", tasks=["embed"]),
        ModelInfo(id="c", state="available", tasks=chat),
    ]
    assert pick(models[:2]) is None
    assert pick(models) == "c"
    assert pick([*models, ModelInfo(id="d", state="ready", tasks=chat)]) == "d"


def test_what_cannot_answer_or_only_completes_text_is_never_picked() -> None:
    chat = ["generate"]
    sf = ModelInfo(id="a", state="unsupported", tasks=chat)
    bare = ModelInfo(id="b", state="ready", tasks=chat, chat=False)
    assert pick([sf]) is None and pick([sf, bare]) is None
    assert pick([sf, bare, ModelInfo(id="c", state="available", tasks=chat)]) == "c"
    found = {"b": [place("peer:1") | {"chat": False}], "c": [place("connection:gpt")]}
    assert pick_anywhere(listed(**found)) == "c"
    del found["c"]
    with pytest.raises(ModelNotFound, match=r"no model that chats \(b completes text only\); .*smollm2"):
        pick_anywhere(listed(**found))


def test_then_one_of_a_peer_and_then_one_of_a_connection() -> None:
    cloud, peer = [place("connection:gpt")], [place("peer:1", "available")]
    assert pick_anywhere(listed(a=cloud)) == "a"
    assert pick_anywhere(listed(a=cloud, z=peer)) == "z"
    assert pick_anywhere(listed(a=cloud, y=[place("peer:2")], x=peer)) == "y"


@pytest.mark.parametrize(
    "useless",
    [{"state": "failed"}, {"health": "unhealthy"}, {"health": "disabled"}, {"task": "embed"}],
)
def test_what_cannot_answer_is_passed_over(useless: dict[str, str]) -> None:
    with pytest.raises(ModelNotFound, match="bago pull"):
        pick_anywhere(listed(a=[place("peer:1", **useless)]))


def test_a_closed_client_says_so() -> None:
    http = httpx.Client()
    http.close()
    with pytest.raises(NodeUnreachable, match="client was closed"), reachable("http://x", http):
        http.get("http://127.0.0.1:9")


def test_a_mistake_of_ours_is_not_taken_for_a_closed_client() -> None:
    with httpx.Client() as http, pytest.raises(RuntimeError), reachable("http://x", http):
        raise RuntimeError("the door is closed")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ({"message": "no", "code": "model_not_found", "param": "model"}, "no"),
        ({"message": None, "detail": "no"}, "no"),
        ({"message": {"text": ["", "no"]}, "code": ["x"], "param": 3}, "no"),
        ([{"error": {"message": "no\n\x1b[2Jway"}}], "no [2Jway"),
        ("no", "no"),
        ({}, "The node failed, and does not say why."),
        ([[[[[["no"]]]]]], "The node failed, and does not say why."),
        (None, "The node failed, and does not say why."),
    ],
)
def test_an_error_of_any_form_is_one_sentence(failure: Any, said: str) -> None:
    error = error_of(failure)
    assert error.message == said
    assert error.param in (None, "model")
    assert isinstance(error, ModelNotFound) == (error.param == "model")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"[1]", b"null", b'{"error":[]}', b"[" * 9999, b"\xff"]
)
def test_an_error_without_a_reason_says_its_status(body: bytes) -> None:
    with pytest.raises(BagoError, match=r"^The node answered 418\.$"):
        decode(httpx.Response(418, content=body), bytes)


@pytest.mark.parametrize(
    "data", [b"data: {\n\n", b"data: 1\n\n", b'data: {"model":"\xff"}\n\n', b"data: [\xff\n\n"]
)
def test_events_that_no_node_sends(data: bytes) -> None:
    response = httpx.Response(200, request=httpx.Request("GET", "http://there/x"))
    with pytest.raises(NodeUnreachable, match="Something else than a node answers at there"):
        [*NodeEvents[JobEvent](response, JobEvent).read(data)]
