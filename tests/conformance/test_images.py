"""A picture on its way through two nodes to a server that records what it gets."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from faults import Call, Faults
from lan import Lan
from mesh.hosts import Node, until

from bago_jupyter.loops import LoopThread
from conformance.desk import BOB

PICTURE = "data:image/png;base64," + base64.b64encode(random.Random(3).randbytes(600_000)).decode()
PARTS: list[dict[str, Any]] = [
    {"type": "text", "text": "What is this? 🦙"},
    {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
]
SAID = {"role": "assistant", "content": "A llama."}
ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "eye",
    "choices": [{"index": 0, "finish_reason": "stop", "message": SAID}],
}


async def see(call: Call) -> None:
    if call.head.startswith(b"GET "):
        await call.json(b'{"object": "list", "data": [{"id": "eye", "object": "model"}]}')
    elif b"/chat/completions " in call.head.partition(b"\r\n")[0]:
        await call.json(json.dumps(ANSWER).encode())
    else:
        await call.json(b'{"error": {"message": "no such route", "type": "x", "code": "y"}}', 404)


@pytest.fixture(scope="module")
def eye(lan: Lan, ada: Node, bob: Node) -> Iterator[Faults]:
    """A server on bob's machine, which bob lends to ada."""
    with lan.inside(BOB):
        thread = LoopThread()  # threads stay in the network they were made in
    server = Faults(see)
    thread.run(server.__aenter__(), 5)
    bob.client.add_connection("lens", type="openai", url=server.url, share=True)
    until(lambda: "eye" in ada.models(health=None))
    try:
        yield server
    finally:
        bob.client.remove_connection("lens")
        thread.run(server.__aexit__(None, None, None), 5)
        thread.stop()


def test_by_the_package(client: openai.OpenAI, eye: Faults) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="eye",
        messages=[{"role": "user", "content": PARTS}],  # type: ignore[list-item,misc]
    )
    assert raw.parse().choices[0].message.content == "A llama."
    assert raw.headers["x-bago-node"] == "bob"
    assert json.loads(eye.calls[-1].body)["messages"][0]["content"] == PARTS


@pytest.mark.parametrize("name", ["eye", "bob/eye"])
def test_byte_for_byte(http: httpx.Client, eye: Faults, name: str) -> None:
    """Spacing, escapes, the order of fields and those that nobody knows; only the model's name may change."""
    said = json.dumps([{"role": "user", "content": PARTS}])
    body = f'{{ "unknown":{{"b":1.50,"a":1e2}},"messages" : {said},\n\t"model":"%s"}}'
    got = http.post(
        "/v1/chat/completions",
        content=body % name,
        headers={"openai-beta": "x=v1", "openai-organization": "org-1", "x-private": "1"},
    )
    assert got.status_code == 200, got.text
    assert got.json() == ANSWER
    call = eye.calls[-1]
    assert call.body.decode() == body % "eye"
    head = call.head.lower()
    assert b"\r\nopenai-beta: x=v1\r\n" in head and b"\r\ncontent-type: application/json\r\n" in head
    assert b"x-private" not in head and b"sk-team" not in head
