"""The key card: a connection key on show, which no saved notebook holds."""

from __future__ import annotations

import time
from html import escape
from typing import Any

from ..client import AsyncNodeClient, NodeClient
from ..errors import NotFound
from ..wire import KeyInfo
from .base import BagoWidget, bundle
from .plain import clean


class KeyCard(BagoWidget):
    """A connection key as text and QR code, with the time that it has left.

    The synced state, the plain text and the HTML hold its id and expiry only: the key itself goes to
    a view that asks for it, in a custom message, and custom messages are not stored. It is forgotten
    here once it is used, revoked or expired.
    """

    _esm = bundle("key.js")
    _css = bundle("key.css")

    def __init__(self, client: NodeClient, key: KeyInfo, **traits: Any):
        self._node = client.node
        self._secret: tuple[str, str] | None = (key.text or "", key.qr_svg or "")
        self._card: dict[str, Any] = {
            "id": key.id,
            "name": key.name,
            "expires": key.expires,
            "state": key.state,
            "used_by": None,
        }
        super().__init__(self._card, **traits)

    async def respond(self, kind: str, request: dict[str, Any]) -> Any:
        """``reveal`` gives the key and the seconds that it has left, ``check`` looks whether it was used."""
        if kind not in ("reveal", "check"):
            return await super().respond(kind, request)
        await self._check()
        if kind == "check":
            return None
        if self._secret is None:
            raise NotFound(f"This key is {self._card['state']}; %bago key makes a new one.")
        text, svg = self._secret
        return {"text": text, "svg": svg, "left": self._card["expires"] - time.time()}

    def plain(self) -> str:
        return clean(self._sentence())

    def html(self) -> str:
        return f"<p>{escape(self.plain())}</p>"

    async def _check(self) -> None:
        # The node may speak from another process, so its list is asked and not an event of this one.
        if self._card["state"] != "open":
            return
        async with AsyncNodeClient(self._node) as client:
            found = next((key for key in await client.keys() if key.id == self._card["id"]), None)
            state = "expired" if found is None else found.state
            if state == "open":
                return
            by = None if found is None else found.used_by
            names = {node.fingerprint: node.name for node in await client.nodes()} if by else {}
        self._secret = None
        user = names.get(by, by.removeprefix("fp_")[:8]) if by else None
        self._card = {**self._card, "state": state, "used_by": user}
        self.publish(self._card)

    def _sentence(self) -> str:
        until = time.strftime("%H:%M:%S", time.localtime(self._card["expires"]))
        key = f"Connection key {self._card['id']} of {self._card['name']}"
        if self._card["state"] != "open":
            by = self._card["used_by"]
            return f"{key} is {self._card['state']}{f' by {by}' if by else ''}."
        return (
            f"{key} works once, until {until}. It is shown by a live widget only and not saved; "
            "where none appears, bago-jupyter key shows one in a terminal."
        )
