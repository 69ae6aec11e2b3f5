"""Ada has no models, external access and an API key; bob has the models; the tests sit at a third host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anthropic
import httpx
import openai
import pytest
from lan import Lan, needs
from mesh.hosts import Node, Nodes, until

from conformance.desk import ADA, BOB, DESK, KEY, MAX_BODY
from conformance.models import make_caller, make_ranker


@pytest.fixture(scope="package")
def lan() -> Iterator[Lan]:
    needs()
    with Lan(3) as lan:
        yield lan


@pytest.fixture(scope="package")
def nodes(lan: Lan) -> Iterator[Nodes]:
    nodes = Nodes(lan)
    yield nodes
    nodes.close()


@pytest.fixture(scope="package")
def bob(nodes: Nodes, starter_gguf: Path) -> Node:
    home = nodes.lan.home(BOB)
    make_caller(starter_gguf, home / "models" / "caller.gguf")
    make_ranker(home / "models" / "org" / "ranker.gguf")
    bob = nodes(BOB, "bob", home=home, model=starter_gguf, slots=4, threads=1)
    bob.client.load("smol")
    return bob


@pytest.fixture(scope="package")
def ada(nodes: Nodes, bob: Node) -> Node:
    ada = nodes(ADA, "ada", external=True, api_key=KEY, max_body=MAX_BODY)
    ada.pair(bob)
    headers = {"authorization": f"Bearer {KEY}"}
    ada.http.headers.update(headers)
    until(lambda: ada.routes_to(bob))
    return ada


@pytest.fixture(autouse=True)
def desk(lan: Lan, ada: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the test connects to, it connects to from the third host."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with lan.inside(DESK):
        yield


@pytest.fixture(scope="package")
def url(lan: Lan, ada: Node) -> str:
    return f"http://{lan.address(ADA)}:{ada.port}"


@pytest.fixture(scope="package")
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture(scope="package")
def claude(url: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture(scope="package")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as made:
        yield made
