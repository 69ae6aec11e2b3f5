"""The ASGI application: the guard, the hot path, and the routes of everything else."""

from __future__ import annotations

import logging
from typing import Any

from starlette.exceptions import HTTPException

from ..errors import BagoError, MethodNotAllowed
from ..router.shape import Dialect
from .context import Context
from .dialects import ENDPOINTS
from .guard import check_external, check_host, is_local
from .inference import Inference
from .mesh import MeshApp
from .respond import send_error, started
from .routes import routes

log = logging.getLogger("bago.api")


class App:
    """ASGI application of one node. Belongs to the node's loop."""

    def __init__(self, context: Context):
        self._context = context
        self._inference = Inference(context)
        self._rest = routes(context)
        self._mesh = MeshApp(context.mesh, self._inference, routes(context, trusted=True))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request; whatever goes wrong is answered in the client's dialect."""
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # the first of a name counts
        endpoint = ENDPOINTS.get(scope["path"])
        try:
            if scope["scheme"] == "https":
                await self._mesh(scope, receive, send, headers)
                return
            if is_local(scope):
                check_host(headers.get(b"host"), headers.get(b"origin"))
            else:
                check_external(scope["path"], self._context.settings.external)
            if endpoint is not None:
                await self._inference(endpoint, scope, receive, send, headers)
            else:
                scope["app"] = self  # has Starlette raise its 405 instead of answering it
                await self._rest(scope, receive, send)
        except BagoError as error:
            await self._fail(error, scope, send, headers)
        except HTTPException as refused:
            allow = (refused.headers or {}).get("Allow", "")
            wrong = MethodNotAllowed(f"{scope['path']} is not for {scope['method']}.", allow=allow)
            await self._fail(wrong, scope, send, headers)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            await self._fail(BagoError("The node made a mistake; its log says more."), scope, send, headers)

    @staticmethod
    async def _fail(error: BagoError, scope: Any, send: Any, headers: dict[bytes, bytes]) -> None:
        if started(send):
            return  # too late for an answer: the server closes the connection
        endpoint = ENDPOINTS.get(scope["path"])
        other: Dialect = "messages" if b"anthropic-version" in headers else "chat"
        await send_error(send, error, endpoint.dialect if endpoint else other)
