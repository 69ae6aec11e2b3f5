"""The long way of a request: a task that waits, tries one backend after another and passes the answer on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ..errors import BagoError
from ..http1 import WholeEvents
from ..router import Plan
from .answer import Answer
from .attempts import Sent
from .base import Client
from .complaints import retell
from .dialects import error_event
from .dispatch import STOPPING, Dispatcher
from .failures import seconds
from .refusing import refuse

if TYPE_CHECKING:
    from .exchange import Exchange

log = logging.getLogger("bago.api")

MOST_OF_AN_ERROR = 1024 * 1024
"""Bytes of a backend's error that are read."""


class LongWay:
    """The task of one exchange. Belongs to the node's loop."""

    __slots__ = (
        "_called_off",
        "_caught_up",
        "_client",
        "_dispatcher",
        "_entered",
        "_exchange",
        "_stopping",
        "_task",
    )

    def __init__(
        self,
        dispatcher: Dispatcher,
        exchange: Exchange,
        client: Client,
        chosen: Plan,
        sent: Sent | None,
    ):
        self._dispatcher = dispatcher
        self._exchange = exchange
        self._client = client
        self._stopping = self._entered = self._called_off = False
        self._caught_up = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run(chosen, sent))

    def gone(self) -> None:
        """The client went away."""
        self._cancel()

    def stop(self) -> None:
        """The node stops, and the client is told."""
        self._stopping = True
        self._cancel()

    def writable(self) -> None:
        """The client has caught up."""
        self._caught_up.set()

    async def _run(self, chosen: Plan, sent: Sent | None) -> None:
        exchange, client = self._exchange, self._client
        self._entered = True
        if self._called_off:
            self._task.cancel()
        answer: Answer | None = None
        try:
            answer = await self._dispatcher.answer(exchange, chosen, sent)
            await self._pass_on(answer)
        except asyncio.CancelledError:
            if self._stopping and not client.started:
                refuse(client, STOPPING, exchange.dialect, exchange.id)
        except BagoError as error:
            refuse(client, error, exchange.dialect, exchange.id)
        except Exception:
            log.exception("%s failed", exchange.id)
            mistake = BagoError("The node made a mistake; its log says more.")
            if client.started:
                client.abort()
            else:
                refuse(client, mistake, exchange.dialect, exchange.id)
        finally:
            if answer is not None:
                answer.close()
            exchange.finished()

    def _cancel(self) -> None:
        """A task that is cancelled before its first step does nothing at all, and so ends nothing."""
        self._called_off = True
        if self._entered:
            self._task.cancel()

    async def _pass_on(self, answer: Answer) -> None:
        """Returns when the client has it all, or the stream ended with an error event."""
        exchange, client = self._exchange, self._client
        if answer.status >= 400:
            body = await answer.read_all(MOST_OF_AN_ERROR)
            error = retell(answer.status, body)
            if error is not None:
                error.retry_after = seconds(answer.retry_after)
                refuse(client, error, exchange.dialect, exchange.id)
            else:
                client.respond(answer.status, exchange.heading(answer.headers, answer.flight), body)
            return
        headers = exchange.heading(answer.headers, answer.flight)
        if answer.complete:
            client.respond(answer.status, headers, await answer.read_all())
            return
        client.start(answer.status, headers)
        events = WholeEvents() if exchange.stream else None
        try:
            while chunk := await answer.read():
                client.write(chunk if events is None else events.feed(chunk))
                while client.paused:
                    self._caught_up.clear()
                    await self._caught_up.wait()
        except BagoError as error:
            log.warning("%s: %s", exchange.id, error.message)
            self._break(error)
        except asyncio.CancelledError:
            if not self._stopping:  # nobody is there to be told
                raise
            self._break(STOPPING)
        else:
            client.end(b"" if events is None or answer.cut else events.rest())

    def _break(self, error: BagoError) -> None:
        """End an answer that has begun with ``error``."""
        if self._exchange.stream:
            self._client.end(error_event(error, self._exchange.dialect))
        else:
            self._client.abort()  # which is how HTTP says that a body is cut
