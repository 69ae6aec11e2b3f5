"""The picture of the mesh: a real node with a model, a dead peer's place, connections to real servers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from connections.servers import Server
from faults import Faults
from headless import until

from bago_jupyter.client import NodeClient
from bago_jupyter.errors import BagoError
from bago_jupyter.wire import Topology, TopologyNode

MESSAGES = [{"role": "user", "content": "Say one word."}]


def node_of(picture: Topology, id: str) -> TopologyNode:
    return next(node for node in picture.nodes if node.id == id)


def say(node: NodeClient, model: str) -> None:
    with node.chat(MESSAGES, model=model, max_tokens=2) as (_, pieces):
        list(pieces)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, int]]:
    """An OpenAI server in a thread of its own, with one model."""
    script, port, over = Server("far"), [0], threading.Event()
    ready = threading.Event()

    async def serve() -> None:
        async with Faults(script) as faults:
            port[0] = faults.port
            ready.set()
            while not over.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    yield script, port[0]
    over.set()
    thread.join(30)


def test_the_ranks_from_the_user_to_a_loaded_model(node: NodeClient) -> None:
    before = node_of(node.topology(), "model:local/smol")
    say(node, "smol")
    picture = until(lambda: (seen := node.topology()).nodes[0].in_flight == 0 and seen)
    assert [item.rank for item in picture.nodes[:3]] == ["user", "router", "backend"]
    user, router = node_of(picture, "user"), node_of(picture, "router")
    local, model = node_of(picture, "backend:local"), node_of(picture, "model:local/smol")
    status = node.status()
    assert (user.label, router.label, router.url) == ("You", "here", status.url)
    assert router.fingerprint == status.fingerprint and router.uptime is not None and router.uptime > 0
    assert (router.total, router.ok) == (status.requests.total, status.requests.ok)
    assert (local.kind, local.state, local.enabled, local.models) == ("local", "healthy", True, 1)
    assert (model.state, model.model_state, model.backend) == ("healthy", "ready", "backend:local")
    assert model.context_length == 1024 and model.quantization
    assert (model.total, model.ok, model.failed) == ((before.total or 0) + 1, (before.ok or 0) + 1, 0)
    assert model.speed is not None and model.speed > 0
    assert [(edge.source, edge.target) for edge in picture.edges[:3]] == [
        ("user", "router"),
        ("router", "backend:local"),
        ("backend:local", "model:local/smol"),
    ]
    ids = {item.id for item in picture.nodes}
    assert len(ids) == len(picture.nodes)
    assert {end for edge in picture.edges for end in (edge.source, edge.target)} == ids


def test_a_connection_is_healthy_then_switched_off_then_gone(node: NodeClient, server: Any) -> None:
    _, port = server
    url = f"http://127.0.0.1:{port}/v1"
    node.add_connection("cloud", type="openai", url=url)
    try:
        cloud = until(lambda: (one := node_of(node.topology(), "backend:openai:cloud")).models and one)
        assert (cloud.state, cloud.kind, cloud.url) == ("healthy", "openai", url)
        assert cloud.latency is not None and cloud.latency > 0
        say(node, "far")
        model = node_of(node.topology(), "model:openai:cloud/far")
        assert (model.state, model.total, model.ok) == ("healthy", 1, 1)
        assert node_of(node.topology(), "backend:openai:cloud").total == 1

        node.toggle_connection("cloud", False)
        picture = node.topology()
        cloud = node_of(picture, "backend:openai:cloud")
        assert (cloud.state, cloud.enabled, cloud.reason) == ("disabled", False, "switched off")
        assert node_of(picture, "model:openai:cloud/far").state == "disabled"
        states = {edge.target: edge.state for edge in picture.edges}
        assert states["backend:openai:cloud"] == states["model:openai:cloud/far"] == "disabled"
    finally:
        node.remove_connection("cloud")
    assert "backend:openai:cloud" not in {item.id for item in node.topology().nodes}


def test_a_server_that_is_away_says_why(node: NodeClient) -> None:
    with socket.socket() as deaf:  # it has the port, and does not listen
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        node.add_connection("away", type="openai", url=url, force=True)
        try:
            gone = until(
                lambda: (one := node_of(node.topology(), "backend:openai:away")).state != "unknown" and one
            )
            assert gone.state == "unhealthy" and gone.reason and "refused" in gone.reason
            assert (gone.models, gone.total) == (0, 0)
        finally:
            node.remove_connection("away")


def test_failures_are_counted_where_they_happened(node: NodeClient, server: Any) -> None:
    script, port = server
    node.add_connection("moody", type="openai", url=f"http://127.0.0.1:{port}/v1")
    try:
        until(lambda: node_of(node.topology(), "backend:openai:moody").models)
        script.speaks = ()
        with pytest.raises(BagoError):
            say(node, "far")
        model = node_of(node.topology(), "model:openai:moody/far")
        assert (model.ok, model.failed) == (0, 1)
        assert node_of(node.topology(), "backend:openai:moody").failed == 1
    finally:
        script.speaks = ("chat/completions",)
        node.remove_connection("moody")


def test_a_node_that_drains_is_drawn_as_switched_off(node: NodeClient) -> None:
    node.drain(True)
    try:
        picture = node.topology()
        local = node_of(picture, "backend:local")
        assert (local.state, local.enabled, local.reason) == ("disabled", False, "this node drains")
        assert node_of(picture, "model:local/smol").state == "disabled"
        assert node_of(picture, "router").state == "healthy"
    finally:
        node.drain(False)
    assert node_of(node.topology(), "backend:local").state == "healthy"


def test_a_model_that_cannot_be_loaded_is_red(node: NodeClient) -> None:
    broken = Path(node.settings()["home"]) / "models" / "torn.gguf"
    broken.write_bytes(b"GGUF" + bytes(64))
    try:
        torn = until(
            lambda: next((one for one in node.topology().nodes if one.id == "model:local/torn"), None)
        )
        assert (torn.state, torn.model_state) == ("unhealthy", "failed")
        assert torn.reason
    finally:
        broken.unlink()
    until(lambda: "model:local/torn" not in {one.id for one in node.topology().nodes})


def test_the_status_tells_how_busy_the_machine_is(node: NodeClient) -> None:
    found = until(lambda: (now := node.status().resources) and now.cpu is not None and now)
    assert 0 <= found.cpu <= 1
    assert found.cores >= 1
    assert 0 < found.memory_used < found.memory_total
