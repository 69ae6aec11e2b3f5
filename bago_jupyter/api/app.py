"""What the node's port serves: the guard, the routes that ask a model, and the rest through Starlette."""

from __future__ import annotations

import logging
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException

from ..backends.dialects import ENDPOINTS
from ..backends.exchange import told_id
from ..backends.refusing import refuse
from ..errors import BagoError, MethodNotAllowed
from ..http1 import Admission, Asgi, Incoming, has_body
from ..router.shape import Dialect
from . import cors
from .callers import HEADER
from .context import Context
from .guard import check_external, check_host, is_own_page
from .inference import Inference
from .mesh import MeshApp
from .messages import MAX_BODY
from .routes import KNOWN, check_road, routes

MODELS = b"/v1/models"
"""What clients of both APIs ask without asking a model; they look for the id of a request here as well."""

log = logging.getLogger("bago.api")


class App:
    """The :class:`~bago_jupyter.http1.Application` of one node. Belongs to the node's loop."""

    telling = (b"host", b"origin", b"authorization", b"x-api-key", HEADER, b"content-encoding", b"expect")

    def __init__(self, context: Context):
        self.epoch = 0
        self._context = context
        self._inference = Inference(context)
        self._rest = routes(context)
        self._mesh = MeshApp(context.mesh, self._inference, routes(context, trusted=True), self.refuse)

    def admit(self, incoming: Incoming) -> Admission:
        """Decide by the head alone. Raises a :class:`BagoError` to refuse it."""
        path = incoming.target.partition(b"?")[0]
        if b"%" in path:  # as the routes will read it
            path = unquote_to_bytes(path)
        if incoming.secure:
            return self._mesh.admit(incoming, path)
        if path == MODELS or path.startswith(MODELS + b"/"):
            id = told_id(incoming.first.get(b"x-request-id"))
            incoming.extra += b"x-request-id: %b\r\nrequest-id: %b\r\n" % (id, id)
        origin = incoming.first.get(b"origin")
        if incoming.local:
            check_host(incoming.first.get(b"host"), origin)
        else:
            check_external(path, self._context.settings.external)
        if origin is not None and path.startswith(b"/v1/") and is_own_page(origin):
            cors.allow(incoming, origin)
            if cors.is_preflight(incoming):
                return Admission(cors.preflight, 0)
        endpoint = ENDPOINTS.get(path)
        if endpoint is not None:
            return self._inference.admit(endpoint, incoming)
        if has_body(incoming):
            check_road(self._rest, self._context, incoming, path)
        return Admission(self._serve, MAX_BODY)

    def refuse(self, incoming: Incoming, error: Exception) -> None:
        """Answer with an error, in the client's dialect."""
        if isinstance(error, HTTPException):
            allow = (error.headers or {}).get("Allow", "")
            target, method = incoming.target.decode("latin-1"), incoming.method.decode("latin-1")
            error = MethodNotAllowed(f"{target} is not for {method}.", allow=allow)
        elif not isinstance(error, BagoError):
            log.error("%r failed", incoming.target, exc_info=error)
            error = BagoError("The node made a mistake; its log says more.")
        if incoming.started:
            incoming.abort()
            return
        endpoint = ENDPOINTS.get(incoming.target.partition(b"?")[0])
        other: Dialect = "messages" if b"anthropic-version" in incoming.first else "chat"
        refuse(incoming, error, endpoint.dialect if endpoint else other)

    def _serve(self, incoming: Incoming) -> None:
        # the key "app" has Starlette raise its 405 instead of answering it
        Asgi(self._rest, incoming, self.refuse, {"app": self, KNOWN: incoming.known})
