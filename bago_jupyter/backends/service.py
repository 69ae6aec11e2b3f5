"""One model service of a Backend.AI cluster: an OpenAI server behind a token that the manager mints."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import BagoError, UpstreamFailed
from ..router.breaker import counts
from ..router.shape import Dialect
from ..trust.secret import Secret
from .base import Answering, Request
from .coded import read_plain
from .failures import OURS
from .http import Found
from .manager import TIMEOUT, Listed, Manager
from .modellist import MOST_BYTES, NotAList, read_models
from .probing import PATHS, speaks
from .target import Target

T = TypeVar("T", bound=Answering)

REST = 5.0
"""Seconds for which a service that failed is asked after all others."""
RENEW = 600.0
"""Seconds before the end of a token at which a new one is minted, at most a quarter of its life."""
EVERY = 60.0
"""Seconds after which a service that answered is asked for its models again; a request's answer counts."""
SOON = 5.0
"""The same after it failed; doubled up to :data:`SELDOM` the longer it does."""
SELDOM = 30.0
LISTED = 300.0
"""Seconds after which its models are listed anew, whatever it answered since."""


class Service:
    """A service with an active route, its models and its token. Belongs to the node's loop.

    Raises :class:`~bago_jupyter.errors.SettingsError` where the manager tells an endpoint that is no URL.
    """

    def __init__(self, manager: Manager, listed: Listed):
        assert listed.service_endpoint is not None
        self.listed = listed
        self.models: dict[str, Found] = {}
        self.native: frozenset[Dialect] | None = None
        """What it speaks, once that was found out."""
        self.error: str | None = None
        """Why it cannot be used, as its latest check found."""
        self.due = 0.0
        """When to check it, by the monotonic clock."""
        self._failures = 0
        self._checked = 0.0
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
    def key(self) -> Secret | None:
        """The token with which it is asked."""
        return self._target.key

    @property
    def busyness(self) -> tuple[bool, float, int]:
        """Whom to ask: the lowest first."""
        resting = self.error is not None or time.monotonic() < self._rests_until
        return resting, self.in_flight / max(1, self.listed.active_route_count), self.turn

    async def check(self) -> None:
        """Ask for its models, and renew the token if it ends soon. Raises a :class:`BagoError`.

        What is known of the models stays when it fails, and so does a token that cannot be renewed.
        """
        try:
            if self._target.key is not None and self._renew_at <= time.monotonic() < self._ends_at:
                with contextlib.suppress(UpstreamFailed):
                    await self._renew()
            self.models = await self._list()
        except BagoError as error:
            self.error = error.message
            self.due = time.monotonic() + min(SELDOM, SOON * 2.0 ** min(self._failures, 8))
            self._failures += 1
            raise
        self._checked = time.monotonic()
        self._proved()

    async def learn(self) -> None:
        """Find out what it speaks, without having it generate anything. Raises :class:`UpstreamFailed`."""
        answers = await asyncio.gather(*(self._whole("POST", path, b"{}") for path in PATHS.values()))
        self.native = frozenset(
            dialect for dialect, (status, body) in zip(PATHS, answers, strict=True) if speaks(status, body)
        )

    async def send(self, request: Request) -> Answering:
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
        else:
            self._proved()
        return exchange

    def rest(self) -> None:
        """It failed: others come first for a while, and it is looked at soon."""
        now = time.monotonic()
        self._rests_until = now + REST
        self.due = min(self.due, now)

    def retire(self) -> None:
        """It is not listed any more; what runs there may end."""
        self._target.pool.close_idle()

    def close(self) -> None:
        """Let go of connections."""
        if self._minting is not None:
            self._minting.cancel()
        self._target.pool.close()

    def _proved(self) -> None:
        """It answered."""
        self.error, self._rests_until, self._failures = None, 0.0, 0
        self.due = min(time.monotonic() + EVERY, self._checked + LISTED)

    async def _list(self) -> dict[str, Found]:
        status, body = await self._whole("GET", "/v1/models")
        if status != 200:
            raise UpstreamFailed(f"it answered {status} when asked for its models")
        try:
            models = read_models(body)
        except NotAList:
            raise UpstreamFailed("its list of models is none that OpenAI clients know") from None
        return {model.id: model for model in models}

    async def _whole(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """The status and the body of an answer."""
        try:
            async with asyncio.timeout(TIMEOUT):
                exchange = await self._with_token(lambda: self._target.ask(method, path, body, TIMEOUT))
                try:
                    return exchange.status, await read_plain(exchange, MOST_BYTES)
                finally:
                    exchange.close()
        except TimeoutError:
            raise UpstreamFailed(f"it sent no whole answer to {path} within {TIMEOUT:g} s") from None

    async def _with_token(self, send: Callable[[], Awaitable[T]]) -> T:
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
