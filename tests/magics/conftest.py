"""Kernels with the magics, without and with a node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kernels import LOAD, Kernel


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the magics and no node."""
    made = Kernel(tmp_path / "home")
    try:
        made.must(LOAD)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory, starter_gguf: Path) -> Iterator[Kernel]:
    """A kernel with a node that has the starter model loaded under the name ``smol``."""
    made = Kernel(tmp_path_factory.mktemp("chatty") / "home")
    try:
        made.must(LOAD)
        made.must("%bago up --name testnode --context-length 1024 --slots 2")
        made.must(f"%bago pull {starter_gguf} --name smol")
        made.must("%bago load smol")
        yield made
    finally:
        made.close()
