"""Clients of a node's own HTTP API: what every face (magic, widget, CLI, runbook) talks through.

:class:`NodeClient` is synchronous and thread-safe; :class:`AsyncNodeClient` belongs to the loop
that uses it. Both raise :class:`~bago_jupyter.errors.BagoError` with the node's own sentence.
"""

from .awaiting import AsyncNodeClient
from .blocking import NodeClient
from .reply import Reply

__all__ = ["AsyncNodeClient", "NodeClient", "Reply"]
