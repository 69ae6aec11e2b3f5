"""Keys of connections: from the environment, the keyring, or a file that only its owner can read.

``secrets.json`` (0600) holds what no keyring would keep, and ``null`` for what the keyring keeps.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

import msgspec

from ..errors import SettingsError
from ..state import Home
from ..trust.secret import Secret
from .keychain import Keychain

FILE = "secrets.json"
_TEXT = re.compile(r"[\x21-\x7e]+")


class Kept(NamedTuple):
    """A secret and where it came from, for people: ``environment NAME``, ``keyring`` or ``file``."""

    secret: Secret
    source: str


class Secrets:
    """The secrets of one home's connections, by name. Belongs to the node's loop."""

    def __init__(self, home: Home, keychain: Keychain | None = None):
        self._home = home
        self._keychain = keychain or Keychain()
        # Two homes of one user share the keyring.
        self._scope = str(home.root.resolve())
        self._texts = home.load(FILE, _read, lost="keys of connections have to be given again") or {}

    async def get(self, name: str, named: str | None = None, usual: str | None = None) -> Kept | None:
        """The secret of ``name``: of the environment variable that was ``named`` for it, else as it was put,
        else of the ``usual`` variable of its kind, which was set with no thought of it."""
        return _of_environ(named) or await self._put(name) or _of_environ(usual)

    async def _put(self, name: str) -> Kept | None:
        if name not in self._texts:
            return None
        kept = self._texts[name]
        if kept is not None:
            return Kept(Secret(kept), "file")
        found = await self._keychain.get(self._key(name))
        return None if found is None else Kept(Secret(found), "keyring")

    async def put(self, name: str, secret: Secret) -> str:
        """Keep ``secret`` in the keyring where one works, else in the file; returns which."""
        text = checked(secret.reveal()).reveal()
        in_keyring = await self._keychain.put(self._key(name), text)
        before = self._texts.get(name, "")
        self._save({**self._texts, name: None if in_keyring else text})
        if before is None and not in_keyring:
            await self._keychain.forget(self._key(name))
        return "keyring" if in_keyring else "file"

    async def forget(self, name: str) -> None:
        """Keep nothing of ``name``."""
        if name in self._texts:
            before = self._texts[name]
            self._save({other: text for other, text in self._texts.items() if other != name})
            if before is None:
                await self._keychain.forget(self._key(name))

    def _key(self, name: str) -> str:
        return f"{name} of {self._scope}"

    def _save(self, texts: dict[str, str | None]) -> None:
        self._home.write(FILE, msgspec.json.encode(texts))
        self._texts = texts


def _read(data: bytes) -> dict[str, str | None]:
    texts = msgspec.json.decode(data, type=dict[str, str | None])
    for text in texts.values():
        if text is not None:
            checked(text)
    return texts


def _of_environ(variable: str | None) -> Kept | None:
    text = os.environ.get(variable, "").strip() if variable else ""
    return Kept(checked(text), f"environment {variable}") if text else None


def checked(text: str) -> Secret:
    """``text`` as a secret that fits a header. Raises :class:`SettingsError`, without showing it."""
    if not _TEXT.fullmatch(text):
        raise SettingsError(
            "That is no key: a key is one word of ASCII characters. Was something else pasted?",
            param="secret",
        )
    return Secret(text)
