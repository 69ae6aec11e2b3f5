"""A view of a node: what it shows is read anew when something happens, and now and then."""

from __future__ import annotations

from typing import Any

from ..client import AsyncNodeClient, NodeClient
from ..errors import BagoError
from ..events import AnyEvent, PullProgress, RequestEnded, RequestMoved, RequestStarted
from . import pump
from .base import BagoWidget


class LiveView(BagoWidget):
    """Base of the views that are fed by their node's pump for as long as a browser shows them.

    The browser gets ``{"view": ..., "down": ...}``: what :meth:`gather` returned last, and why the node
    cannot be reached, if it cannot; the view is then its last word. A view that could never be gathered
    is ``None``.
    """

    def __init__(self, client: NodeClient, **traits: Any):
        self._node = client.node
        self._view: Any = None
        self._down: str | None = None
        try:
            self._view = self.gather(client)
        except BagoError as error:
            self._down = error.message
        super().__init__(self._content(), **traits)

    # For subclasses.

    def gather(self, client: NodeClient) -> Any:
        """Read what the view shows, as JSON values. In any thread, one at a time; must hold no secret."""
        raise NotImplementedError

    def concerns(self, event: AnyEvent) -> bool:
        """Whether ``event`` is a reason to gather anew. On the background loop; must be quick."""
        return not isinstance(event, (RequestStarted, RequestMoved, RequestEnded, PullProgress))

    def passing(self, event: AnyEvent) -> dict[str, Any] | None:
        """What of ``event`` the browser is told at once, in a message ``{"kind": "events", "events": [...]}``
        with all of its frame; not kept. On the background loop; must be quick."""
        return None

    async def renew(self) -> None:
        """Gather anew after :meth:`respond` changed something; returns when the browser is told."""
        await pump.renew(self._node, self)

    # Called by the pump, on the background loop.

    def watched(self) -> None:
        pump.follow(self._node, self)

    def take(self, view: Any, down: str | None, *, tell: bool) -> None:
        """Show ``view``, or, where it is ``None``, the last one with the reason why there is none."""
        self._view, self._down = (self._view if view is None else view), down
        self.publish(self._content(), tell=tell)

    async def client(self) -> AsyncNodeClient:
        """A client of the node, for :meth:`respond`."""
        return await pump.connect(self._node)

    def _content(self) -> dict[str, Any]:
        return {"view": self._view, "down": self._down}
