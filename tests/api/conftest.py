"""One node with the starter model, in a thread of the test process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import bago_jupyter as bago
from bago_jupyter.client import NodeClient
from bago_jupyter.loops import LoopThread
from bago_jupyter.settings import Settings


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, starter_gguf: Path) -> Iterator[NodeClient]:
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    (home / "models" / "smol.gguf").symlink_to(starter_gguf)
    values = {
        "home": home,
        "port": 0,
        "name": "here",
        "context_length": 1024,
        "slots": 2,
        "max_body": 1 << 20,
    }
    thread = LoopThread()
    running = bago.Node(Settings.load(values, {}), place="thread")
    thread.run(running.start(), 60)
    client = NodeClient(running.file)
    try:
        client.load("smol")
        yield client
    finally:
        client.close()
        thread.run(running.stop(), 60)
        thread.stop()
