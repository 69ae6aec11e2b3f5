"""The status card: what a node is, holds and does, live in a cell."""

from __future__ import annotations

from typing import Any

import msgspec

from ..client import NodeClient
from ..errors import BagoError
from ..wire import Status
from . import plain, pump
from .base import BagoWidget, bundle


class StatusCard(BagoWidget):
    """A live card of the node that ``client`` speaks to.

    It follows the node for as long as a browser shows it, also while a cell blocks the kernel, and
    finds it again after a restart. A node that cannot be reached is shown as down, not raised.
    """

    _esm = bundle("status.js")
    _css = bundle("status.css")

    def __init__(self, client: NodeClient, **traits: Any):
        self._node = client.node
        self._status: Status | None = None
        self._down: str | None = None
        try:
            self._status = client.status()
        except BagoError as error:
            self._down = error.message
        super().__init__(self._card(), **traits)

    def watched(self) -> None:
        pump.follow(self._node, self, self._status)

    def show(self, status: Status | None, down: str | None, *, tell: bool) -> None:
        """Take the newest state from the pump."""
        self._status, self._down = status or self._status, down
        self.publish(self._card(), tell=tell)

    async def respond(self, kind: str, request: dict[str, Any]) -> Any:
        if kind != "unload":
            return await super().respond(kind, request)
        client = await pump.connect(self._node)
        await client.unload(str(request.get("model")))
        return None

    def plain(self) -> str:
        return plain.plain(self._status, self._down)

    def html(self) -> str:
        return plain.html(self._status, self._down)

    def _card(self) -> dict[str, Any]:
        return {"status": msgspec.to_builtins(self._status), "down": self._down}
