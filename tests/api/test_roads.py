"""Base URLs that are nearly right: the answer says which one is."""

from __future__ import annotations

import json
import re

import pytest
from api.raw import CHAT, Answer, answers, exchange, request

from bago_jupyter.client import NodeClient

WRONG = [
    ("POST", "/chat/completions"),
    ("POST", "/v1/chat/completions/"),
    ("POST", "//v1/chat/completions"),
    ("POST", "/v1//chat/completions"),
    ("POST", "/v1/v1/chat/completions"),
    ("POST", "/completions"),
    ("POST", "/embeddings"),
    ("POST", "/responses"),
    ("POST", "/rerank"),
    ("GET", "/models"),
    ("GET", "//v1/models"),
    ("GET", "/v1/v1/models"),
    ("GET", "/models?limit=1"),
]
MESSAGES = ["/messages", "/v1/v1/messages", "//v1/messages", "/v1/messages/"]


@pytest.fixture(scope="module")
def port(node: NodeClient) -> int:
    return node.node.port


def ask(port: int, method: str, path: str, *lines: str) -> Answer:
    """As bytes, since clients tidy such paths up."""
    body = b'{"model": "smol"}' if method == "POST" else b""
    lines = (*lines, "Connection: close", *([f"Content-Length: {len(body)}"] if body else []))
    (answer,) = answers(exchange(port, request(f"{method} {path} HTTP/1.1", *lines, body=body)).data)
    return answer


@pytest.mark.parametrize(("method", "path"), WRONG)
def test_a_wrong_road_says_the_right_one(port: int, method: str, path: str) -> None:
    answer = ask(port, method, path)
    said = json.loads(answer.body)
    assert answer.status == 404 and answer.headers["content-type"] == "application/json"
    assert said["error"].keys() == {"message", "type", "param", "code"}
    assert (said["error"]["type"], said["error"]["code"]) == ("invalid_request_error", "not_found")
    assert re.search(rf"http://127\.0\.0\.1:{port}/v1(?![\w/])", said["error"]["message"])
    assert said["error"]["message"].endswith(".") and len(said["error"]["message"]) < 200


@pytest.mark.parametrize("path", MESSAGES)
def test_in_the_words_of_anthropic(port: int, path: str) -> None:
    """Its clients put ``/v1`` behind the base URL themselves."""
    answer = ask(port, "POST", path, "anthropic-version: 2023-06-01")
    said = json.loads(answer.body)
    assert answer.status == 404 and said["type"] == "error"
    assert said["error"]["type"] == "not_found_error"
    assert f"http://127.0.0.1:{port}" in said["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/nothing", "/v1/chat", "/favicon.ico", "/v1/chat/completions/x"]
)
def test_no_road_at_all(port: int, path: str) -> None:
    """The path is named, so that one sees the slip."""
    answer = ask(port, "GET", path)
    assert answer.status == 404 and path in json.loads(answer.body)["error"]["message"]


def test_the_right_roads(port: int) -> None:
    assert ask(port, "GET", "/v1/models").status == 200
    assert ask(port, "GET", "/v1/models/smol").status == 200
    assert ask(port, "POST", CHAT).status == 400  # of its body
    assert ask(port, "GET", CHAT).status == 405


def test_a_hint_repeats_nothing_long(port: int) -> None:
    answer = ask(port, "GET", "//" + "v1/" * 20_000 + "models")
    assert answer.status == 404 and len(answer.body) < 4000
