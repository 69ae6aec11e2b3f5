"""One model service of a Backend.AI cluster: an OpenAI server behind a token that the manager mints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from ..errors import BagoError, UpstreamFailed
from ..http1 import Response
from ..router.breaker import counts
from .base import Request
from .failures import OURS
from .http import Found
from .manager import TIMEOUT, Listed, Manager
from .target import Target

REST = 5.0
"""Seconds for which a service that failed is asked after all others."""
RENEW = 600.0
"""Seconds before the end of a token at which a new one is minted, at most a quarter of its life."""
MOST = 16 * 1024 * 1024
"""Bytes of a list of models."""
MOST_MODELS = 10_000
MAX_NAME = 512
LONGEST_CONTEXT = 1 << 40
"""Tokens; what claims more is not believed."""


class _Meta(msgspec.Struct):
    n_ctx: int | None = None


class _Model(msgspec.Struct):
    id: str
    owned_by: str | None = None
    max_model_len: int | None = None
    """vLLM, SGLang."""
    meta: _Meta | None = None
    """llama-server."""


class _Models(msgspec.Struct):
    data: list[_Model]


class Service:
    """A service with an active route, its models and its token. Belongs to the node's loop.

    Raises :class:`~bago_jupyter.errors.SettingsError` where the manager tells an endpoint that is no URL.
    """

    def __init__(self, manager: Manager, listed: Listed):
        assert listed.service_endpoint is not None
        self.listed = listed
        self.models: dict[str, Found] = {}
        self.error: str | None = None
        """Why it cannot be used, as its latest check found."""
        self.in_flight = 0
        self.turn = 0
        """When it was last chosen."""
        self._rests_until = 0.0
        self._manager = manager
        self._target = Target(listed.service_endpoint)
        self._renew_at = self._ends_at = float("inf")
        self._minting: asyncio.Task[None] | None = None

    @property
    def label(self) -> str:
        """For people."""
        return f"service {self.listed.name} of {self._manager.name}"

    @property
    def busyness(self) -> tuple[bool, float, int]:
        """Whom to ask: the lowest first."""
        resting = self.error is not None or time.monotonic() < self._rests_until
        return resting, self.in_flight / max(1, self.listed.active_route_count), self.turn

    async def check(self) -> None:
        """Ask for its models, and renew the token if it ends soon. Raises a :class:`BagoError`.

        What is known of the models stays when it fails.
        """
        try:
            if self._target.key is not None and time.monotonic() >= self._renew_at:
                await self._renew()
            self.models = await self._list()
        except BagoError as error:
            self.error = error.message
            raise
        self.error, self._rests_until = None, 0.0

    async def send(self, request: Request) -> Response:
        """Send ``request`` with a token that counts.

        Where the service refuses it, the manager is asked for a new one and the request is sent once more.
        Raises :class:`UpstreamFailed`.
        """
        try:
            exchange = await self._with_token(lambda: self._target.send(request))
        except UpstreamFailed as error:
            self.rest()
            # neither a time-out nor a refused connection here says anything of the cluster's other models
            raise UpstreamFailed(f"{self.label}: {error.message}") from None
        if 300 <= exchange.status < 400:  # clients follow, with the prompt, wherever that leads
            exchange.close()
            self.rest()
            raise UpstreamFailed(f"{self.label} redirects elsewhere ({exchange.status}).")
        if counts(exchange.status):
            self.rest()
        return exchange

    def rest(self) -> None:
        """It failed: others come first for a while."""
        self._rests_until = time.monotonic() + REST

    def retire(self) -> None:
        """It is not listed any more; what runs there may end."""
        self._target.pool.close_idle()

    def close(self) -> None:
        """Let go of connections."""
        if self._minting is not None:
            self._minting.cancel()
        self._target.pool.close()

    async def _list(self) -> dict[str, Found]:
        try:
            async with asyncio.timeout(TIMEOUT):
                exchange = await self._with_token(lambda: self._target.get("/v1/models", TIMEOUT))
                try:
                    body = await exchange.read_all(MOST)
                finally:
                    exchange.close()
        except TimeoutError:
            raise UpstreamFailed(f"it did not list its models within {TIMEOUT:g} s") from None
        if exchange.status != 200:
            raise UpstreamFailed(f"it answered {exchange.status} when asked for its models")
        try:
            models = msgspec.json.decode(body, type=_Models).data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamFailed("its list of models is none that OpenAI clients know") from None
        fit = [model for model in models if 0 < len(model.id) <= MAX_NAME and model.id.isprintable()]
        return {model.id: _found(model) for model in fit[:MOST_MODELS]}

    async def _with_token(self, send: Callable[[], Awaitable[Response]]) -> Response:
        target = self._target
        if target.key is None:
            if not self.listed.is_public:
                await self._renew()
        elif time.monotonic() >= self._ends_at:
            await self._renew()
        used = target.key
        exchange = await send()
        if exchange.status not in OURS:
            return exchange
        exchange.close()
        if target.key is used:  # or another request has a new one already
            await self._renew()
        exchange = await send()
        if exchange.status not in OURS:
            return exchange
        exchange.close()
        raise UpstreamFailed(
            f"it refuses the token that the cluster's manager has just made for it ({exchange.status})."
        )

    async def _renew(self) -> None:
        """Have a new token minted, once for all who want it now. Raises :class:`UpstreamFailed`."""
        if self._minting is None:
            self._minting = asyncio.get_running_loop().create_task(self._mint())
            self._minting.add_done_callback(self._minted)
        minting = self._minting
        try:
            await asyncio.shield(minting)
        except asyncio.CancelledError:
            if minting.cancelled():
                raise UpstreamFailed(f"the connection to {self._manager.name} was closed.") from None
            raise

    async def _mint(self) -> None:
        begin = time.monotonic()
        token = await self._manager.mint(self.listed.id)
        self._target.key = token.secret
        life = (token.until or 0.0) - token.now
        if life <= 0:  # no end is told, or their clocks disagree: the service will say when it is over
            life = float("inf")
        self._ends_at = begin + life
        self._renew_at = self._ends_at - min(RENEW, life / 4)

    def _minted(self, task: asyncio.Task[None]) -> None:
        self._minting = None
        if not task.cancelled():
            task.exception()  # those who wait for it get it; there may be none left


def _found(model: _Model) -> Found:
    length = model.max_model_len or (model.meta.n_ctx if model.meta else None)
    length = length if length and 0 < length <= LONGEST_CONTEXT else None
    return Found(id=model.id, context_length=length, owner=model.owned_by)
