"""Address and keys of a node; what both clients have in common."""

from __future__ import annotations

from typing import Any

import httpx

from .. import logs
from ..wire import NodeFile
from .caller import header

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
ALIVE_TIMEOUT = 2.0
logs.hush()
STREAM = httpx.Timeout(CONNECT_TIMEOUT, read=None)


class Base:
    """Address and keys of a node; what both clients have in common.

    ``caller`` is the name under which the node counts the requests of this client, and shares out its
    slots; :func:`~.caller.of_this_process` gives the notebook's.
    """

    def __init__(self, node: NodeFile, caller: str | None = None):
        self._node = node
        self._caller = caller
        self.url = f"http://{node.host}:{node.port}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url})"

    @property
    def base_url(self) -> str:
        """``base_url`` for OpenAI clients."""
        return self.url + "/v1"

    @property
    def api_key(self) -> str:
        """``api_key`` for OpenAI clients; any text does where the node asks for none."""
        return self._node.api_key or "none-needed"

    @property
    def caller(self) -> str | None:
        """The name under which the node counts the requests of this client."""
        return self._caller

    @property
    def pid(self) -> int:
        return self._node.pid

    @property
    def node(self) -> NodeFile:
        """What this client was told about its node; it holds the keys, so keep it out of outputs."""
        return self._node

    def _options(self) -> dict[str, Any]:
        token = f"Bearer {self._node.admin_token}".encode()
        return {
            "base_url": self.url,
            "headers": {b"authorization": token, **header(self._caller)},
            "timeout": httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
            "trust_env": False,  # a proxy of the environment must not see loopback
            "verify": False,  # it is plain HTTP, and making a TLS context takes 50 ms
        }
