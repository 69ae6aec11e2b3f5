"""One LAN for all tests of the mesh; each module has nodes of its own, which are gone before the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lan import Lan, needs
from mesh.hosts import Nodes


@pytest.fixture(scope="session")
def lan() -> Iterator[Lan]:
    needs("nft")
    with Lan(4) as lan:
        yield lan


@pytest.fixture(scope="module")
def nodes(lan: Lan) -> Iterator[Nodes]:
    """Nodes that live as long as the module."""
    nodes = Nodes(lan)
    yield nodes
    nodes.close()


@pytest.fixture
def start(lan: Lan) -> Iterator[Nodes]:
    """Nodes that live as long as the test."""
    nodes = Nodes(lan)
    yield nodes
    nodes.close()
