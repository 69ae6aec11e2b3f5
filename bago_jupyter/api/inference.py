"""The routes that ask a model: who may, and what is done with the request once it has arrived."""

from __future__ import annotations

from functools import partial

from ..backends.dialects import Endpoint
from ..backends.exchange import Desk, serve
from ..errors import MethodNotAllowed, UnsupportedEncoding
from ..http1 import Admission, Incoming
from ..trust.peers import Peer
from .callers import Callers
from .context import Context


class Inference:
    """Admits requests of :data:`~bago_jupyter.backends.dialects.ENDPOINTS`. Belongs to the node's loop."""

    def __init__(self, context: Context):
        self._context = context
        self._callers = Callers(context)

    def admit(self, endpoint: Endpoint, incoming: Incoming, peer: Peer | None = None) -> Admission:
        """Let in a request of a client, or of a paired ``peer``. Raises a :class:`BagoError`."""
        if incoming.method != b"POST":
            raise MethodNotAllowed(f"Use POST for {endpoint.path.decode()}.", allow="POST")
        context = self._context
        caller = self._callers.peer(peer) if peer is not None else self._callers.client(incoming)
        encoding = incoming.first.get(b"content-encoding")
        if encoding is not None and encoding.lower() not in (b"", b"identity"):
            raise UnsupportedEncoding("Compressed request bodies are not read here; send plain JSON.")
        desk = Desk(
            context.dispatcher,
            context.pace,
            endpoint,
            caller,
            context.settings.header_timeout,
            relayed=peer is not None,
        )
        lasting = peer is None and not caller.startswith("key:")  # the use of a named key is noted each time
        return Admission(partial(serve, desk), context.settings.max_body, lasting)
