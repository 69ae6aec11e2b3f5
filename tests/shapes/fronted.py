"""A node before a server of the table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headless import Headless
from shapes.server import ShapeServer


@contextmanager
def fronted(server: ShapeServer, home: Path, name: str = "shapes") -> Iterator[Headless]:
    """A node of ``home`` with a connection ``up`` to ``server``."""
    made = Headless(home, name)
    try:
        made.client.add_connection("up", type="openai", url=server.url)
        yield made
    finally:
        made.close()
