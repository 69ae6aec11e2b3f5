"""A notebook among other nodes, and among servers beyond the mesh."""

from __future__ import annotations

import contextlib
import queue
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from headless import Headless, until
from kernels import PATIENCE, Kernel

from bago_jupyter.trust.connection_key import ConnectionKey


@pytest.fixture
def beta(tmp_path: Path, starter_gguf: Path) -> Iterator[Headless]:
    node = Headless(tmp_path / "beta", "beta", starter_gguf)
    try:
        yield node
    finally:
        node.close()


def answer(kernel: Kernel, text: str) -> dict[str, object]:
    """Type ``text`` into the question that the running cell asks; the question."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            asked = kernel.client.get_stdin_msg(timeout=1)
        except queue.Empty:
            continue
        kernel.client.input(text)
        return dict(asked["content"])
    raise AssertionError("the cell asked nothing")


def test_a_notebook_connects_by_a_key_that_it_does_not_hold(kernel: Kernel, beta: Headless) -> None:
    kernel.must("%bago up --name alpha")
    key = beta.client.make_key().text
    assert key is not None
    nobody = kernel.run("%bago connect")
    assert nobody.reply["ename"] == "Usage" and "Nobody can be asked here" in nobody.error
    cell = str(kernel.client.execute("%bago connect", allow_stdin=True))
    asked = answer(kernel, key)
    assert asked["password"] is True
    ran = kernel.finish(cell)
    assert ran.ok and "Paired with beta" in ran.text and "beta/smol" in ran.text
    kept = str(ran) + str(kernel.value("str(In) + str(Out)"))
    assert key not in kept and ConnectionKey.parse(key).secret.reveal() not in kept

    (table,) = kernel.must("%bago nodes").outputs
    assert "online" in table["data"]["text/plain"] and "<td>smol</td>" in table["data"]["text/html"]
    assert "beta" in kernel.must("%bago models").text
    until(lambda: "%bago chat -m beta/smol" in kernel.complete("%bago chat -m b"))
    assert "%bago nodes show beta" in kernel.complete("%bago nodes show ")
    said = kernel.must("%bago chat -m beta/smol --max-tokens 2 Hi")
    assert "on beta" in said.text
    assert "4 one token" in kernel.must("%bago nodes test beta").text
    assert "is removed" in kernel.must("%bago nodes remove beta").text


def test_a_key_of_a_notebook_is_shown_by_a_card_only(kernel: Kernel, beta: Headless) -> None:
    kernel.must("%bago up --name alpha")
    ran = kernel.must("%bago key --ttl 60")
    assert ran.data("application/vnd.jupyter.widget-view+json")
    (key,) = kernel.node().keys()
    assert key.id in ran.text and "bago://" not in str(ran)
    assert key.id in kernel.must("%bago keys").text
    assert "in a terminal" in kernel.run("%bago team --suggest").error
    assert f"Key {key.id} is revoked" in kernel.must(f"%bago key --revoke {key.id}").text


def test_help_tells_of_two_word_verbs(kernel: Kernel) -> None:
    assert "show, ping, test, retry, remove, set" in kernel.must("%bago help").text
    text = kernel.must("%bago help nodes").text
    assert "%bago nodes set" in text and "--max-load" in text


def test_another_node_as_an_openai_server_with_a_key_that_no_cell_holds(
    kernel: Kernel, beta: Headless
) -> None:
    key = "sk-typed-unseen-0123"
    url = beta.client.base_url
    kernel.must("%bago up --name alpha")
    assert "There is no connection yet" in kernel.must("%bago mesh list").text
    cell = str(kernel.client.execute(f"%bago mesh add other {url} --ask", allow_stdin=True))
    assert answer(kernel, key)["password"] is True
    ran = kernel.finish(cell)
    assert ran.ok and "other is added. Its models: other/smol." in ran.text
    assert key not in str(ran) + str(kernel.value("str(In) + str(Out)"))
    (table,) = kernel.must("%bago mesh").outputs
    assert "<td>other</td><td>openai</td><td>healthy</td>" in table["data"]["text/html"]
    assert "<td>alpha</td><td>local</td>" in table["data"]["text/html"]
    until(lambda: "%bago mesh show other" in kernel.complete("%bago mesh show "))
    assert "%bago mesh select-models" in kernel.complete("%bago mesh sel")
    assert "%bago mesh select-models other smol" in kernel.complete("%bago mesh select-models other ")
    assert kernel.complete("%bago mesh toggle other o") == [
        f"%bago mesh toggle other {word}" for word in ("off", "on")
    ]
    assert "%bago chat -m other/smol" in kernel.complete("%bago chat -m oth")
    assert "on other" in kernel.must("%bago chat -m other/smol --max-tokens 2 Hi").text
    refused = kernel.run("%bago mesh add dead http://127.0.0.1:1")
    assert "TCP connects: no. 127.0.0.1 port 1 refuses" in refused.error
    misplaced = kernel.run("%bago mesh add other2 http://h --api-key sk-oops")
    assert "--key-env" in misplaced.error
    assert "forgotten" in kernel.must("%bago mesh remove other").text


def test_an_interrupted_add_adds_nothing_later(kernel: Kernel) -> None:
    kernel.must("%bago up --name alpha")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        cell = kernel.start(f"%bago mesh add late http://127.0.0.1:{server.getsockname()[1]}")
        first, asked = (server.accept()[0] for _ in range(2))  # the first only looks who listens
        asked.settimeout(PATIENCE)
        assert asked.recv(65536).startswith(b"GET /v1/models")
        kernel.manager.interrupt_kernel()
        assert "interrupted" in kernel.finish(cell).error
        with contextlib.suppress(ConnectionResetError):
            assert asked.recv(65536) == b""
        first.close()
        asked.close()
    assert "There is no connection yet" in kernel.must("%bago mesh list").text
    assert "TCP connects: no" in kernel.run("%bago mesh add late http://127.0.0.1:1").error
