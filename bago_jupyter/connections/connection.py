"""A connection as its owner describes it, and the file that keeps them all."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from ..backends.target import split
from ..errors import NotFound, SettingsError
from ..router.shape import Dialect
from ..state import Home
from .kinds import KINDS, Kind, kind_of

FILE = "connections.json"
MAX_NAME = 63
MOST_SLOTS = 100_000
MOST_SEEN = 1000
"""Models that are kept as seen."""
_NAME = re.compile(r"\w[\w.-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RANGES: dict[str, tuple[float, float]] = {
    "priority": (-1000, 1000),
    "weight": (0, 1000),
    "slots": (1, MOST_SLOTS),
}


class Connection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One backend beyond the mesh. Holds no secret."""

    name: str
    """Stands before the slash in ``name/model``."""
    type: str = "openai"
    url: str = ""
    enabled: bool = True
    in_routing: bool = True
    """Whether requests that do not name the connection go there."""
    priority: int = 0
    """Lower is tried first by the policy ``priority``."""
    weight: float = 1.0
    slots: int | None = None
    """Requests from here that run there side by side; ``None`` is learnt."""
    share: bool = False
    """Whether peers may use it."""
    models: list[str] | None = None
    """The selected models; ``None`` is all that it lists."""
    seen: list[str] | None = None
    """What it listed last, which it is taken to have until it answers again."""
    native: list[Dialect] | None = None
    """What the server was found to speak; ``None`` is not known yet."""
    key_env: str | None = None
    """The environment variable that holds its key."""
    access_key: str | None = None
    """Clusters only: the half of the key pair that is sent along."""
    domain: str | None = None
    version: str | None = None
    """Clusters only: the version of the manager's API, ``v9.20250722`` and the like."""

    @property
    def kind(self) -> Kind:
        return kind_of(self.type, self.url)


def checked(connection: Connection) -> Connection:
    """``connection`` with its defaults filled in. Raises :class:`SettingsError` for what cannot be."""
    if connection.type not in KINDS:
        raise SettingsError(
            f"There is no connection type {connection.type!r}; there are {', '.join(KINDS)}.", param="type"
        )
    name = connection.name
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise SettingsError(
            f"A connection's name has up to {MAX_NAME} letters, digits, dots, dashes and underscores; "
            f"{name!r} cannot be one.",
            param="name",
        )
    if not connection.url:
        if connection.kind.url is None:
            raise SettingsError(f"A connection of type {connection.type} needs a URL.", param="url")
        connection = msgspec.structs.replace(connection, url=connection.kind.url)
    split(connection.url)
    if connection.key_env is not None and not _VARIABLE.fullmatch(connection.key_env):
        raise SettingsError(
            "The name of an environment variable has letters, digits and underscores only.", param="key_env"
        )
    if connection.kind.cluster and not connection.access_key:
        raise SettingsError(
            "A cluster needs a key pair: an access key and its secret key.", param="access_key"
        )
    for field in ("access_key", "domain", "version"):
        value = getattr(connection, field)
        if value is not None and not connection.kind.cluster:
            raise SettingsError(f"Only a backend_ai_cluster has a setting {field}.", param=field)
        if value is not None and not re.fullmatch(r"[\x21-\x7e]+", value):
            raise SettingsError(f"The setting {field} cannot be {value!r}.", param=field)
    for field, (low, high) in _RANGES.items():
        value = getattr(connection, field)
        if value is None:
            continue
        if not math.isfinite(value) or not low <= value <= high:
            raise SettingsError(f"The setting {field} must be from {low:g} to {high:g}.", param=field)
    return connection


class Store:
    """``connections.json`` (0600). Belongs to the node's loop."""

    def __init__(self, home: Home):
        self._home = home
        self._connections = home.load(FILE, _read, lost="connections have to be added again") or {}

    def all(self) -> list[Connection]:
        return list(self._connections.values())

    def put(self, connection: Connection) -> None:
        """Keep ``connection`` in place of the one of that name."""
        self._save({**self._connections, connection.name: connection})

    def change(self, name: str, **changes: Any) -> Connection:
        """Change fields of a connection that is kept. Raises :class:`NotFound`, :class:`SettingsError`."""
        if name not in self._connections:
            raise NotFound(f"There is no connection {name!r}.")
        changed = checked(msgspec.structs.replace(self._connections[name], **changes))
        self.put(changed)
        return changed

    def remove(self, name: str) -> None:
        self._save({other: kept for other, kept in self._connections.items() if other != name})

    def _save(self, connections: dict[str, Connection]) -> None:
        self._home.write(FILE, msgspec.json.encode(list(connections.values())))
        self._connections = connections


def _read(data: bytes) -> dict[str, Connection]:
    return {entry.name: checked(entry) for entry in msgspec.json.decode(data, type=list[Connection])}
