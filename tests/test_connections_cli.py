"""The verbs of connections on the command line, with a real llama-server as a foreign OpenAI backend."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import pytest
from headless import Headless, until

from bago_jupyter.client import NodeClient
from bago_jupyter.engines.spec import RunnerSpec
from bago_jupyter.errors import BagoError

KEY = "sk-llama-0123456789"


class Foreign(NamedTuple):
    """A llama-server that no node started."""

    url: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def foreign(starter_gguf: Path) -> Iterator[Foreign]:
    command = [sys.executable, "-m", "bago_jupyter.engines.llama_server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        spec = RunnerSpec(
            path=str(starter_gguf), aliases=["smol"], api_key=KEY, context_length=512, slots=1, threads=1
        )
        process.stdin.write(msgspec.json.encode(spec) + b"\n")
        process.stdin.flush()
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready", ready
        yield Foreign(ready["url"], process)
        process.kill()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    made = Headless(tmp_path_factory.mktemp("connections") / "home", "alpha")
    yield made
    made.close()


def test_a_connection_from_adding_to_removing(node: Headless, foreign: Foreign) -> None:
    said: list[str] = []

    def must(*words: str, **more: str) -> str:
        said.append(node.must(*words, **more))
        return said[-1]

    wrong = node.cli("mesh", "add", "gpu", foreign.url, "--key-env", "K", K="sk-wrong-and-long")
    assert wrong.returncode == 1
    assert "key accepted: no. The key is refused (401)" in wrong.stderr
    assert "--ask gives a key. --force does it anyway." in wrong.stderr
    assert "sk-wrong" not in wrong.stderr + wrong.stdout
    unset = node.cli("mesh", "add", "gpu", foreign.url, "--key-env", "K")
    assert "K is not set where the node runs" in unset.stderr
    typo = node.cli("mesh", "add", "gpu", foreign.url, "--type", "open")
    assert "Did you mean openai?" in typo.stderr
    assert "--weight needs a number, not 'nan'" in node.cli("mesh", "update", "gpu", "--weight", "nan").stderr
    assert "There is no connection 'gpu/smol'" in node.cli("mesh", "show", "gpu/smol").stderr
    assert "not both" in node.cli("mesh", "update", "gpu", "--no-key", "--ask", stdin="x\n").stderr
    assert "Did you mean fastest?" in node.cli("policy", "fast").stderr
    assert "more than 0 seconds" in node.cli("drain", "on", "--wait", "-5").stderr
    for words in (("help", "mesh", "add"), ("mesh", "add", "--help")):
        assert must(*words).startswith("%bago mesh add [--type"), words
    cluster = node.cli("mesh", "add", "c", foreign.url, "--type", "backend_ai_cluster")
    assert "A cluster needs a key pair" in cluster.stderr and "--access-key KEY" in cluster.stderr

    added = must("mesh", "add", "gpu", foreign.url + "/v1", "--ask", "--priority", "3", stdin=KEY + "\n")
    assert "key accepted   ok" in added
    assert added.splitlines()[-1] == "gpu is added. Its models: gpu/smol."
    kept = "Its key is kept in secrets.json of the node's home, which only its owner can read"
    assert f"{kept}." in added
    updated = must("mesh", "update", "gpu", "--key-env", "K", K=KEY)
    assert f"{kept}: K is not set where the node runs." in updated
    head, here, gpu = must("mesh").splitlines()
    assert " ".join(head.split()) == "name type health latency models in routing"
    assert here.split() == ["alpha", "local", "healthy", "on"]
    assert gpu.split()[:3] == ["gpu", "openai", "healthy"] and gpu.split()[-2:] == ["smol", "on"]
    rows = json.loads(must("mesh", "--json"))
    assert [(row["name"], row["type"]) for row in rows] == [("alpha", "local"), ("gpu", "openai")]
    (info,) = json.loads(must("mesh", "list", "--json"))
    assert (info["health"], info["key"], info["priority"], info["models"]) == ("healthy", "file", 3, ["smol"])
    shown = must("mesh", "show", "gpu")
    assert "chat, completions, messages, responses" in shown
    assert "healthy (it answers)" in shown
    assert "1 (measured)" in shown  # the slots, as llama-server tells them
    assert must("mesh", "models", "gpu").splitlines()[1].split() == ["smol", "yes", "512"]

    for model in ("smol", "gpu/smol"):
        assert f"{model} · on gpu" in must("chat", "-m", model, "--max-tokens", "3", "Hi")
    answer = httpx.post(
        node.client.base_url + "/messages",
        json={"model": "gpu/smol", "max_tokens": 3, "messages": [{"role": "user", "content": "Hi"}]},
        timeout=60,
    )
    assert (answer.status_code, answer.headers["x-bago-node"]) == (200, "gpu")
    assert answer.json()["type"] == "message"
    embedded = httpx.post(node.client.base_url + "/embeddings", json={"model": "smol", "input": "x"})
    assert embedded.status_code >= 400
    assert "gpu: smol cannot embed" in embedded.text

    assert "switched off" in must("mesh", "toggle", "gpu")
    assert "switched off" in node.cli("chat", "-m", "smol", "Hi").stderr
    assert httpx.get(node.client.base_url + "/models").json()["data"] == []
    must("mesh", "toggle", "gpu", "on")
    until(lambda: node.client.connection("gpu").health == "healthy")
    assert "slots 2 (set)" in must("mesh", "update", "gpu", "--slots", "2")
    assert "What should change?" in node.cli("mesh", "update", "gpu").stderr
    assert "lists no nope. %bago mesh models gpu" in node.cli("mesh", "select-models", "gpu", "nope").stderr
    assert "1 of 1 models" in must("mesh", "select-models", "gpu", "smol")
    assert "1 of 1 models" in must("mesh", "select-models", "gpu", "--all")
    assert "gpu is healthy" in must("mesh", "health", "gpu")
    (checked,) = json.loads(must("mesh", "health", "--json"))
    assert [hop["ok"] for hop in checked["hops"]] == [True] * 5

    said += must("log", "-n", "500"), must("mesh", "show", "gpu", "--json"), repr(node.client.connections())
    holding = [
        file.name for file in node.home.iterdir() if file.is_file() and KEY.encode() in file.read_bytes()
    ]
    assert holding == ["secrets.json"]
    assert KEY not in "".join(said)
    assert "its key forgotten" in must("mesh", "remove", "gpu")
    assert "There is no connection 'gpu'" in node.cli("mesh", "show", "gpu").stderr
    assert KEY not in (node.home / "secrets.json").read_text()
    assert "There is no connection yet" in must("mesh", "list")


def test_the_management_api_takes_a_key_and_gives_none_back(node: Headless, foreign: Foreign) -> None:
    client = node.client
    with pytest.raises(BagoError, match="TCP connects: no"):
        client.add_connection("dead", url="http://127.0.0.1:1")
    client.add_connection("dead", url="http://127.0.0.1:1", force=True)
    info = client.add_connection("gpu", url=foreign.url, secret=KEY)
    try:
        assert (info.health, info.key, info.models) == ("healthy", "file", ["smol"])
        assert [hop.name for hop in info.hops][-1] == "models listed"
        assert [turn.state for turn in info.history] == ["healthy"]
        states = {entry.name: entry.health for entry in client.check_connections()}
        assert states["gpu"] == "healthy"
        until(lambda: client.connection("dead").error == "it refused the connection")
        changed = client.change_connection("gpu", weight=2.5, share=True)
        assert (changed.weight, changed.share) == (2.5, True)
        with pytest.raises(BagoError, match="key accepted: no"):
            client.change_connection("gpu", secret=None)
        assert client.check_connection("gpu").health == "healthy"
        assert [model.selected for model in client.select_models("gpu", ["smol"])] == [True]
        raw = httpx.get(
            client.url + "/api/v1/connections",
            headers={"authorization": f"Bearer {client.node.admin_token}"},
        ).text
        assert KEY not in raw + repr(client.connections()) + "".join(client.log(500))
    finally:
        for entry in client.connections():
            client.remove_connection(entry.name)


def test_peers_use_what_is_shared_with_them(
    node: Headless, foreign: Foreign, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Headless(tmp_path_factory.mktemp("connections") / "beta", "beta")
    try:
        node.client.add_connection("gpu", url=foreign.url, secret=KEY)
        key = node.client.make_key().text
        assert key is not None
        other.client.connect(key)
        until(lambda: other.client.nodes() and other.client.nodes()[0].state == "online")
        assert not other.client.nodes()[0].models
        node.client.change_connection("gpu", share=True)
        until(lambda: [model.id for model in other.client.nodes()[0].models] == ["smol"])
        assert _chats(other.client, "alpha/smol") == "alpha"
        node.client.change_connection("gpu", share=False)
        until(lambda: not other.client.nodes()[0].models)
    finally:
        other.close()
        node.client.remove_connection("gpu")


def _chats(client: NodeClient, model: str) -> str | None:
    said = [{"role": "user", "content": "Hi"}]
    with client.chat(said, model=model, max_tokens=2, temperature=0) as (reply, pieces):
        assert list(pieces)
    return reply.node
