"""What the groups with real nodes stand on: a LAN of namespaces, nodes on it, and the starter model."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))  # the network of the tests

from lan import Lan, Process, missing  # noqa: E402
from mesh.hosts import Inside, Node, Nodes, both_online, link, until  # noqa: E402

from bago_jupyter.client import NodeClient  # noqa: E402
from bago_jupyter.state import Home  # noqa: E402

from .group import BenchError  # noqa: E402
from .host import STARTER  # noqa: E402
from .processes import OUT, child  # noqa: E402

__all__ = [
    "Inside",
    "Lan",
    "Node",
    "Nodes",
    "Process",
    "alone",
    "both_online",
    "link",
    "model_file",
    "network",
    "nodes_on",
    "quiet_environment",
    "until",
]


@contextlib.contextmanager
def quiet_environment() -> Iterator[None]:
    """Meanwhile no child gets the settings of the caller's own node."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("BAGO_")}
    try:
        yield
    finally:
        os.environ.update(kept)


@contextlib.contextmanager
def network(hosts: int) -> Iterator[Lan]:
    """So many hosts. Raises :class:`BenchError` where there can be none."""
    reason = missing()
    if reason:
        raise BenchError(f"no network of hosts here: {reason}")
    with quiet_environment(), Lan(hosts) as lan:
        yield lan


@contextlib.contextmanager
def nodes_on(hosts: int) -> Iterator[Nodes]:
    """A LAN of so many hosts and what starts nodes on them; all are ended."""
    with network(hosts) as lan:
        nodes = Nodes(lan)
        try:
            yield nodes
        finally:
            nodes.close()


@contextlib.contextmanager
def alone(*, model: Path | None = None, core: int | None = None, **settings: Any) -> Iterator[NodeClient]:
    """A headless node on this host that knows nobody, with ``model`` as ``smol`` if it is given."""
    with tempfile.TemporaryDirectory(prefix="bago-bench-") as folder, quiet_environment():
        home = Home(Path(folder))
        if model is not None:
            link(home.root, model)
        settings = {"name": "ada", "port": 0, "idle_unload": 0, **settings}
        env = {f"BAGO_{name.upper()}": str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", "bago_jupyter", "serve"]
        with child("node-alone", command, core=core, env={**env, "BAGO_HOME": folder}):
            file = until(home.read_node)
            client = NodeClient(file)
            try:
                yield client
            finally:
                client.close()


@functools.cache
def model_file() -> Path:
    """The starter model: ``STARTER_GGUF``, or pulled as a user would pull it."""
    if given := os.environ.get("STARTER_GGUF"):
        return Path(given)
    from bago_jupyter.engines.pull import pull

    folder = OUT / "models"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{STARTER}.gguf"
    if not path.exists():
        asyncio.run(pull(STARTER, folder, name=None, sha256=None, progress=lambda _: None))
    return path
