"""Named API keys: what clients of ``/v1`` may present beside the key of the settings.

``apikeys.json`` (0600) holds only the SHA-256 of each. A key is 256 random bits, so a plain hash is enough;
and a key that is presented is hashed before it is looked up, so that the time which that takes tells
nothing of the keys that are valid.
"""

from __future__ import annotations

import hashlib
import re
import time

import msgspec

from ..errors import InvalidRequest, NotFound, Overloaded
from ..state import Home
from . import names
from .secret import Secret

FILE = "apikeys.json"
PREFIX = "bago-sk-"
"""How every key begins, so that scanners for leaked secrets can know it."""
LIMIT = 1000
"""Keys of one home."""
_PREFIX = PREFIX.encode()


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key: everything but the key."""

    name: str
    sha256: str
    """Of the whole key with its prefix, in hex."""
    created: float


class ApiKeys:
    """Named keys of one home. Belongs to the node's loop."""

    def __init__(self, home: Home):
        self._home = home
        keys = home.load(FILE, _read, lost="the named API keys have ended: give out new ones") or []
        self._names = {bytes.fromhex(key.sha256): key.name for key in keys}
        self._keys = {key.name: key for key in keys}
        self._used: dict[str, float] = {}

    def add(self, name: str, now: float | None = None) -> Secret:
        """A new key called ``name``; the only moment at which it is known here.

        Raises :class:`InvalidRequest` for a name that cannot be used, :class:`Overloaded` for too many.
        """
        if names.clean(name) != name:
            raise InvalidRequest(
                f"An API key is called by 1 to {names.LONGEST} printable characters, as in laptop-of-ada.",
                param="name",
            )
        if name in self._keys:
            raise InvalidRequest(f"There is an API key {name} already; remove it first.", param="name")
        if len(self._keys) >= LIMIT:
            raise Overloaded(f"There are {LIMIT} API keys; remove some first.")
        secret = Secret(PREFIX + Secret.mint().reveal())
        digest = hashlib.sha256(secret.reveal().encode()).digest()
        created = time.time() if now is None else now
        key = ApiKey(name=name, sha256=digest.hex(), created=created)
        self._save({**self._keys, name: key})
        self._names[digest] = name
        return secret

    def remove(self, name: str) -> ApiKey:
        """Make a key worth nothing from now on. Raises :class:`NotFound`."""
        key = self._keys.get(name)
        if key is None:
            known = f" There are: {', '.join(sorted(self._keys))}." if self._keys else ""
            raise NotFound(f"There is no API key {name!r}.{known}")
        self._save({other: kept for other, kept in self._keys.items() if other != name})
        del self._names[bytes.fromhex(key.sha256)]
        self._used.pop(name, None)
        return key

    def name_of(self, presented: bytes | None) -> str | None:
        """Whose key a client presented, which counts as its use; ``None`` if it is none of these."""
        if not self._names or presented is None or not presented.startswith(_PREFIX):
            return None
        name = self._names.get(hashlib.sha256(presented).digest())
        if name is not None:
            self._used[name] = time.time()
        return name

    def listed(self) -> list[tuple[ApiKey, float | None]]:
        """Every key by name, with the Unix time of its last use since this node started."""
        return [(key, self._used.get(name)) for name, key in sorted(self._keys.items())]

    def _save(self, keys: dict[str, ApiKey]) -> None:
        self._home.write(FILE, msgspec.json.encode(list(keys.values())))
        self._keys = keys


def _read(data: bytes) -> list[ApiKey]:
    keys = msgspec.json.decode(data, type=list[ApiKey])
    if not all(re.fullmatch(r"[0-9a-f]{64}", key.sha256) for key in keys):
        raise ValueError("not the SHA-256 of a key")
    return keys
