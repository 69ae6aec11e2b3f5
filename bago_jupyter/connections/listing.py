"""Asking a server which models it has, which also tells that it is there, and that it takes the key."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from ..backends.coded import read_plain
from ..backends.complaints import about_key
from ..backends.http import Found
from ..backends.modellist import MOST_BYTES, read_models
from ..backends.probing import NOT_THERE
from ..backends.target import Target
from ..errors import BagoError, UpstreamFailed, UpstreamTimeout
from .kinds import Kind

TIMEOUT = 10.0
"""Seconds that a probe may take."""
TELLING = frozenset({"llamacpp", "vllm"})
"""Owners of models whose servers tell by ``/health`` that they are not ready. It is not asked of just any
server: LiteLLM's and SGLang's ``/health`` have a model generate something."""


class Seen(NamedTuple):
    """What a probe found."""

    models: tuple[Found, ...]
    latency: float
    """Seconds."""


class KeyRefused(BagoError):
    """The server does not take the key, or wants one."""

    status = 502
    code = "key_refused"
    cause = "key"


class Warming(BagoError):
    """The server says that it is not ready yet."""

    status = 503
    code = "warming"


class NoList(UpstreamFailed):
    """The server has no list of models."""

    code = "no_model_list"


class Away(UpstreamFailed):
    """Something in front of the server says that it is not there."""

    code = "away"


def absent(error: BagoError) -> bool:
    """Whether a server may just be starting by what came of a look at it."""
    return isinstance(error, NoList | Away) or error.cause in ("refused", "frozen", "broken")


async def look(target: Target, kind: Kind, name: str, timeout: float = TIMEOUT) -> Seen:
    """Ask for the models, without having one generate anything.

    Raises :class:`KeyRefused`, :class:`Warming`, :class:`NoList` and :class:`UpstreamFailed`.
    """
    begin = time.monotonic()
    body = await fetch(target, kind.models_path, timeout)
    latency = time.monotonic() - begin
    if not body.strip():  # mlx_lm.server without a folder of models
        raise NoList(f"Its {kind.models_path.partition('?')[0]} is empty, without even the form of a list.")
    models = read(body, kind)
    if kind.health or any(model.owner in TELLING for model in models):
        await _ready(target, timeout)
    return Seen(models, latency)


async def fetch(target: Target, path: str, timeout: float = TIMEOUT) -> bytes:
    """``GET path`` where the answer must be a success. Raises as :func:`look` does."""
    try:
        async with asyncio.timeout(timeout):
            exchange = await target.get(path, timeout)
            try:
                body = await read_plain(exchange, MOST_BYTES)
                complete = exchange.complete
            finally:
                exchange.close()
    except TimeoutError:
        raise UpstreamTimeout(f"It sent no whole answer within {timeout:g} s.") from None
    status = exchange.status
    if status == 200 and complete:
        return body
    if status in (401, 403) or (status == 400 and about_key(body)):
        raise KeyRefused(f"the key is refused ({status})" if target.key else f"it wants a key ({status})")
    if status == 503:
        raise Warming("it is warming up (503)")
    if status in NOT_THERE:
        raise NoList(f"It has no {path.partition('?')[0]} ({status}).")
    if 300 <= status < 400:
        where = (exchange.header(b"location") or b"another place").decode("latin-1")[:200]
        raise UpstreamFailed(f"It redirects to {where}; give that URL.")
    failure = Away if status in (502, 504) else UpstreamFailed
    raise failure(f"It answered {status} to {path.partition('?')[0]}.")


def read(body: bytes, kind: Kind) -> tuple[Found, ...]:
    """The models of a list. Raises :class:`~bago_jupyter.backends.modellist.NotAList`."""
    return read_models(body, kind.prefix)


async def _ready(target: Target, timeout: float) -> None:
    try:
        await fetch(target, "/health", timeout)
    except NoList:
        return
