"""Routes: further names for models, each with the chain of models that are tried from left to right.

An alias is a chain of one. ``routes.json`` in the home keeps them. The targets of a route are models, never
routes: one that is called like a route means the model of that name, so there is no recursion, and
``phi-3 -> phi-3, mini`` gives a model a fallback under its own name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..errors import InvalidRequest, NotFound, Overloaded
from ..state import Home

FILE = "routes.json"
MAX_NAME = 512
"""Longest name of a model or route, in characters."""
MOST = 16
"""Targets of one route."""
LIMIT = 1000
"""Routes of one home."""


class Routes:
    """The routes of one home. Belongs to the node's loop."""

    def __init__(self, home: Home):
        self._home = home
        self._routes = home.load(FILE, _read, lost="there is no route until they are set again") or {}

    def all(self) -> Mapping[str, tuple[str, ...]]:
        """Every route by name; a copy that does not change."""
        return dict(self._routes)

    def set(self, name: str, targets: Sequence[str]) -> None:
        """Make or replace a route. Raises :class:`InvalidRequest` and :class:`Overloaded`."""
        check(name, targets)
        if name not in self._routes and len(self._routes) >= LIMIT:
            raise Overloaded(f"There are {LIMIT} routes; remove some first.")
        self._save({**self._routes, name: tuple(targets)})

    def remove(self, name: str) -> None:
        """Forget a route. Raises :class:`NotFound`."""
        if name not in self._routes:
            known = f" There are: {', '.join(sorted(self._routes))}." if self._routes else ""
            raise NotFound(f"There is no route {name!r}.{known}")
        self._save({other: targets for other, targets in self._routes.items() if other != name})

    def _save(self, routes: dict[str, tuple[str, ...]]) -> None:
        self._home.write(FILE, msgspec.json.encode(routes))
        self._routes = routes


def check(name: str, targets: Sequence[str]) -> None:
    """Raises :class:`InvalidRequest` with what is wrong with a route."""
    for text in (name, *targets):
        if not text or len(text) > MAX_NAME or not text.isprintable() or text != text.strip():
            raise InvalidRequest(
                f"{text[:40]!r} cannot name a route or a model: that takes 1 to {MAX_NAME} printable "
                "characters, without spaces at its ends."
            )
    if not targets:
        raise InvalidRequest(f"Route {name} needs a model to lead to.", param="targets")
    if len(targets) > MOST:
        raise InvalidRequest(f"A route has at most {MOST} targets, not {len(targets)}.", param="targets")
    if twice := next((target for target in targets if targets.count(target) > 1), None):
        raise InvalidRequest(f"Route {name} names {twice} twice; once is enough.", param="targets")
    if list(targets) == [name]:
        raise InvalidRequest(f"Route {name} leads to itself only, which it does anyway.", param="targets")


def _read(data: bytes) -> dict[str, tuple[str, ...]]:
    routes = _decoder.decode(data)
    for name, targets in routes.items():
        check(name, targets)
    return routes


_decoder = msgspec.json.Decoder(dict[str, tuple[str, ...]])
