"""A notebook among other nodes."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from headless import Headless, until
from kernels import PATIENCE, Kernel


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
    assert key not in str(ran) + str(kernel.value("str(In) + str(Out)"))

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
