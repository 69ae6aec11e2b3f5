"""The ASGI application: the guard, the hot path, and the routes of everything else."""

from __future__ import annotations

import logging
from typing import Any

from ..errors import BagoError
from .context import Context
from .dialects import ENDPOINTS
from .guard import check_external, check_host, is_local
from .inference import Inference
from .mesh import MeshApp
from .respond import send_error
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
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, value)
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
                await self._rest(scope, receive, send)
        except BagoError as error:
            await send_error(send, error, endpoint.dialect if endpoint else "chat")
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            await send_error(
                send,
                BagoError("The node made a mistake; see %bago log."),
                endpoint.dialect if endpoint else "chat",
            )
