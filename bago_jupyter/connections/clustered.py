"""The way to the model services of a Backend.AI cluster."""

from __future__ import annotations

import asyncio
import time

from ..backends.cluster import ClusterBackend, ServicesFailed
from ..backends.manager import ManagerRefused
from ..backends.signing import VERSION
from ..errors import BagoError, Unavailable, UpstreamFailed
from ..trust.secret import Secret
from ..wire import Hop
from .connection import Connection
from .listing import KeyRefused, Seen
from .slots import Queue
from .trial import CONNECT, Stop, Trial, reach


class ClusterWay(ClusterBackend):
    """A cluster whose services are listed with the manager's key pair. Belongs to the node's loop.

    How it is hangs on its services alone. The manager is asked for news as rarely as its
    :class:`~bago_jupyter.backends.pacing.Pacing` says; while it fails, what is known stays in use.
    """

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
        self._failure: BagoError | None = None
        """What the manager answered last, if it failed."""

    @property
    def trouble(self) -> str | None:
        """Why there are no news of it, while all that is known of it is well."""
        return self._failure.message.rstrip(".") if self._failure is not None else None

    async def queue(self) -> Queue | None:
        return None  # the proxy before a service shows nothing but its API

    def pause(self) -> float | None:
        """Seconds until another look may tell something new."""
        if self._lacks:
            return None  # only other settings can change that
        due = [self._manager.pacing.due, *(service.due for service in self._services.values())]
        return max(1.0, min(due) - time.monotonic())

    def retire(self) -> None:
        """Let what runs there end, and nothing else begin."""
        for service in self._services.values():
            service.retire()
        self._manager.close()

    async def look(self, timeout: float) -> float | None:
        if self._lacks:
            raise KeyRefused("its secret key is gone; give it again")
        if time.monotonic() >= self._manager.pacing.due:
            try:
                await self.hear_news()
            except BagoError as error:
                self._failure = error
            else:
                self._failure = None
        asked = time.monotonic()
        due = [service for service in self._services.values() if service.due <= asked or service.error]
        await self.check(due)
        took = time.monotonic() - asked
        await self._learn()
        if self._failure is not None and not self._services:
            if isinstance(self._failure, ManagerRefused):
                raise KeyRefused(self._failure.message.rstrip("."))
            raise self._failure
        self.complain()
        return took if due else None

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
                await self._learn()
        except TimeoutError:
            tried("HTTP answers", ok=False, said=f"No whole answer within {timeout:g} s.")
        except ManagerRefused as error:
            self._failure = error
            tried("HTTP answers", ok=True)
            tried("manager accepts", ok=False, said=error.message)
        except (Unavailable, ServicesFailed) as error:
            self._failure = None
            tried("HTTP answers", ok=True)
            tried("manager accepts", ok=True)
            tried("models listed", ok=False, said=error.message)
        except BagoError as error:
            self._failure = error
            tried("HTTP answers", ok=False, said=error.message)
        else:
            self._failure = None
            tried("HTTP answers", ok=True)
            tried("manager accepts", ok=True)
            tried("models listed", ok=True, said=str(len(found)))
            trial.seen = Seen(found, time.monotonic() - begin)
        return trial

    async def _learn(self) -> None:
        """Find out what services speak of which that is not known."""
        new = [service for service in self._services.values() if service.native is None and not service.error]
        outcomes = await asyncio.gather(*(service.learn() for service in new), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None and not isinstance(outcome, UpstreamFailed):
                raise outcome
