"""The way to the model services of a Backend.AI cluster."""

from __future__ import annotations

import asyncio
import time

from ..backends.cluster import ClusterBackend, ServicesFailed
from ..backends.manager import ManagerRefused
from ..backends.signing import VERSION
from ..errors import BagoError, Unavailable
from ..trust.secret import Secret
from ..wire import Hop
from .connection import Connection
from .listing import KeyRefused, Seen
from .trial import CONNECT, Stop, Trial, reach


class ClusterWay(ClusterBackend):
    """A cluster whose services are listed with the manager's key pair. Belongs to the node's loop."""

    def __init__(self, connection: Connection, secret: Secret | None):
        super().__init__(
            connection.name,
            connection.url,
            connection.access_key or "",
            secret or Secret("missing"),
            domain=connection.domain or "default",
            version=connection.version or VERSION,
        )
        self._url = connection.url
        self._lacks = secret is None
        """Whether its secret key is gone, as when the variable that held it is not set."""

    def retire(self) -> None:
        """Let what runs there end, and nothing else begin."""
        for service in self._services.values():
            service.retire()
        self._manager.close()

    async def look(self, timeout: float) -> float:
        begin = time.monotonic()
        if self._lacks:
            raise KeyRefused("its secret key is gone; give it again")
        try:
            await self.refresh()
        except ManagerRefused as error:
            raise KeyRefused(error.message.rstrip(".")) from None
        return time.monotonic() - begin

    async def try_out(self, timeout: float) -> Trial:
        trial = Trial()
        try:
            await reach(trial, self._url, min(timeout, CONNECT))
        except Stop:
            return trial
        begin = time.monotonic()

        def tried(name: str, *, ok: bool, said: str = "") -> None:
            trial.hops.append(Hop(name=name, ok=ok, seconds=time.monotonic() - begin, said=said))

        try:
            async with asyncio.timeout(timeout):
                found = await self.refresh()
        except TimeoutError:
            tried("HTTP answers", ok=False, said=f"No whole answer within {timeout:g} s.")
        except ManagerRefused as error:
            tried("HTTP answers", ok=True)
            tried("manager accepts", ok=False, said=error.message)
        except (Unavailable, ServicesFailed) as error:
            tried("HTTP answers", ok=True)
            tried("manager accepts", ok=True)
            tried("models listed", ok=False, said=error.message)
        except BagoError as error:
            tried("HTTP answers", ok=False, said=error.message)
        else:
            tried("HTTP answers", ok=True)
            tried("manager accepts", ok=True)
            tried("models listed", ok=True, said=str(len(found)))
            trial.seen = Seen(found, time.monotonic() - begin)
        return trial
