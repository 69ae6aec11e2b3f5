"""ASGI applications on connections of ours: for what is rare, and for what Starlette does better.

https://asgi.readthedocs.io/en/latest/specs/www.html, version 2.3. The body is one message: it is whole when
the application begins.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from .incoming import Incoming

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

GONE = "bago.gone"
"""Key of the scope under which an application may put what is called when the client goes away."""

log = logging.getLogger("bago.http")


class Asgi:
    """One request that an ASGI application answers, in a task of its own. Belongs to the server's loop.

    ``more`` goes into the scope. ``failed`` is told of an exception while nothing was answered.
    """

    def __init__(
        self,
        app: App,
        incoming: Incoming,
        failed: Callable[[Incoming, Exception], None],
        more: Scope | None = None,
    ):
        self._app = app
        self._incoming = incoming
        self._failed = failed
        self._given = False
        self._left = asyncio.Event()
        self._may_write = asyncio.Event()
        self._status = 200
        self._headers: list[tuple[bytes, bytes]] = []
        self._scope = {**_scope(incoming), **(more or {})}
        incoming.owner = self
        self._task = asyncio.get_running_loop().create_task(self._run())

    def gone(self) -> None:
        self._left.set()
        self._may_write.set()
        callback = self._scope.pop(GONE, None)
        if callback is not None:
            callback()

    def stop(self) -> None:
        self._task.cancel()

    def writable(self) -> None:
        self._may_write.set()

    async def _run(self) -> None:
        incoming = self._incoming
        try:
            await self._app(self._scope, self._receive, self._send)
        except asyncio.CancelledError:
            incoming.abort()
        except Exception as error:
            if incoming.started:
                log.exception("%s %s broke off", self._scope["method"], self._scope["path"])
                incoming.abort()
            else:
                self._failed(incoming, error)
        else:
            incoming.abort()  # harmless when it is answered

    async def _receive(self) -> Message:
        if not self._given:
            self._given = True
            return {"type": "http.request", "body": self._incoming.body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        incoming = self._incoming
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [
                (name.lower(), value)
                for name, value in message.get("headers", ())
                if name.lower() not in (b"connection", b"transfer-encoding")
            ]
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if incoming.started:
            (incoming.write if more else incoming.end)(body)
        elif more:
            incoming.start(self._status, self._headers, body)
        else:
            headers = [pair for pair in self._headers if pair[0] != b"content-length"]
            incoming.respond(self._status, headers, body)
        while incoming.paused and more:
            self._may_write.clear()
            await self._may_write.wait()


def _scope(incoming: Incoming) -> Scope:
    raw, _, query = incoming.target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.0" if incoming.old else "1.1",
        "method": incoming.method.decode("latin-1"),
        "scheme": "https" if incoming.secure else "http",
        "path": unquote(raw.decode("latin-1"), errors="surrogateescape")
        if b"%" in raw
        else raw.decode("latin-1"),
        "raw_path": raw,
        "query_string": query,
        "root_path": "",
        "headers": incoming.headers,
        "client": incoming.address,
        "server": None,
    }
