"""What completion knows without asking: refreshed in the background, never waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..client import NodeClient
    from ..wire import NodeInfo

STARTERS = ("smollm2", "gemma3")
STALE = 10.0
"""Seconds after which a completion asks for a refresh."""


class Known:
    """What completes the values of verbs. Thread-safe: one reference is replaced as a whole."""

    def __init__(self) -> None:
        self._values: Mapping[str, tuple[str, ...]] = {}
        self._discovered: tuple[str, ...] = ()
        self._at = float("-inf")
        self._busy = threading.Lock()
        self._again = False

    def of(self, source: str) -> tuple[str, ...]:
        """The values of one source of the table."""
        return self._discovered if source == "discovered" else self._values.get(source, ())

    def found(self, nodes: Iterable[NodeInfo]) -> None:
        """Take what a list of discovered nodes said: asking for it would begin to listen."""
        self._discovered = tuple(_word(node) for node in nodes)

    def refresh(self, older_than: float = 0.0) -> None:
        """Ask the node in a thread of its own, unless the answer is fresh enough; one at a time."""
        if time.monotonic() - self._at < older_than:
            return
        if not self._busy.acquire(blocking=False):
            self._again = True  # what the thread is being told may be out of date
            return
        try:
            threading.Thread(target=self._fetch, name="bago-known", daemon=True).start()
        except RuntimeError:  # no thread is to be had, as at the end of the interpreter
            self._busy.release()

    def _fetch(self) -> None:
        try:
            from .. import launch

            self._again = True
            while self._again:
                self._again = False
                self._values = _ask(launch.node())
            self._at = time.monotonic()
        except Exception:
            self._values = {}  # no node, no models: a completion has nobody to tell more
        finally:
            self._busy.release()


def _ask(client: NodeClient) -> Mapping[str, tuple[str, ...]]:
    own = tuple(model.id for model in client.models())
    nodes = client.nodes()
    requests, keys = client.requests(), client.keys()
    connections = client.connections()
    routes = tuple(route.name for route in client.routes() if _plain(route.name))
    theirs = [model.id for node in nodes for model in node.models]
    # A model by its node's name comes after the models, so that it is grouped by node.
    there = [f"{node.name}/{model.id}" for node in nodes if _plain(node.name) for model in node.models]
    theirs += [model for entry in connections for model in entry.models]
    there += [f"{entry.name}/{model}" for entry in connections for model in entry.models]
    return {
        "own": own,
        "models": tuple(dict.fromkeys([*own, *routes, *theirs, *there])),
        "nodes": tuple(_word(node) for node in nodes),
        "routes": routes,
        "connections": tuple(entry.name for entry in connections),
        "apikeys": tuple(key.name for key in client.api_keys() if _plain(key.name)),
        "keys": tuple(key.id for key in keys if key.state == "open"),
        **{
            side: tuple(
                request.name if _plain(request.name) else request.id
                for request in requests
                if request.direction == side
            )
            for side in ("incoming", "outgoing")
        },
    }


def _word(node: NodeInfo) -> str:
    """What names ``node`` in one word: its name, or the first digits of its fingerprint."""
    return node.name if _plain(node.name) else node.fingerprint.removeprefix("fp_")[:8]


def _plain(name: str) -> bool:
    return not any(char.isspace() or char in "\"'{}" for char in name) and not name.startswith("-")
