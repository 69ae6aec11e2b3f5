"""A notebook with connections to servers beyond the mesh."""

from __future__ import annotations

import contextlib
import queue
import socket
import time

import pytest
from headless import Headless, until
from kernels import PATIENCE, Kernel


@pytest.fixture
def beta(tmp_path_factory, starter_gguf):  # type: ignore[no-untyped-def]
    node = Headless(tmp_path_factory.mktemp("foreign") / "beta", "beta", starter_gguf)
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
        asked.settimeout(5)
        assert asked.recv(65536).startswith(b"GET /v1/models")
        kernel.manager.interrupt_kernel()
        assert "interrupted" in kernel.finish(cell).error
        with contextlib.suppress(ConnectionResetError):
            assert asked.recv(65536) == b""
        first.close()
        asked.close()
    assert "There is no connection yet" in kernel.must("%bago mesh list").text
    assert "TCP connects: no" in kernel.run("%bago mesh add late http://127.0.0.1:1").error
