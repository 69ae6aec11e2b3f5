"""Asking a server which models it has, which also tells that it is there, and that it takes the key."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from ..backends.complaints import about_key
from ..backends.http import Found
from ..backends.target import Target
from ..errors import BagoError, UpstreamFailed, UpstreamTimeout
from ..wire import moment
from .kinds import Kind

TIMEOUT = 10.0
"""Seconds that a probe may take."""
MOST = 16 * 1024 * 1024
"""Bytes of a list of models."""
MAX_NAME = 512
MOST_MODELS = 10_000
"""Models of one list; the rest is left out, so that no server can drown the catalogue."""
LONGEST_CONTEXT = 1 << 40
"""Tokens; what claims more is not believed."""
TELLING = frozenset({"llamacpp", "vllm"})
"""Owners of models whose servers tell by ``/health`` that they are not ready. It is not asked of just any
server: LiteLLM's and SGLang's ``/health`` have a model generate something."""
NOT_THERE = frozenset({404, 405, 501})


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


class NotAList(UpstreamFailed):
    """Something answered, and it was no list of models."""

    code = "not_a_model_list"


class _Meta(msgspec.Struct):
    n_ctx: int | None = None


class _Where(msgspec.Struct):
    context_length: int | None = None


class _Bago(msgspec.Struct):
    nodes: list[_Where] = []


class _Model(msgspec.Struct):
    id: str
    owned_by: str | None = None
    max_model_len: int | None = None
    """vLLM, SGLang."""
    meta: _Meta | None = None
    """llama-server."""
    context_length: int | None = None
    context_window: int | None = None
    max_input_tokens: int | None = None
    bago: _Bago | None = None
    """Another node of ours."""
    created: Any = None
    """Unix time; several servers say 0."""
    created_at: Any = None
    """Anthropic: a time by RFC 3339."""


class _Named(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    data: list[msgspec.Raw]


async def look(target: Target, kind: Kind, name: str, timeout: float = TIMEOUT) -> Seen:
    """Ask for the models, without having one generate anything.

    Raises :class:`KeyRefused`, :class:`Warming`, :class:`NoList` and :class:`UpstreamFailed`.
    """
    begin = time.monotonic()
    body = await fetch(target, kind.models_path, timeout)
    latency = time.monotonic() - begin
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
                body = await exchange.read_all(MOST)
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
    raise UpstreamFailed(f"It answered {status} to {path.partition('?')[0]}.")


def read(body: bytes, kind: Kind) -> tuple[Found, ...]:
    """The models of a list in OpenAI's or Anthropic's form. Raises :class:`UpstreamFailed`."""
    try:
        answer = msgspec.json.decode(body, type=_List | list[msgspec.Raw])
        listed = answer if isinstance(answer, list) else answer.data
        models = [_model(raw) for raw in listed[:MOST_MODELS]]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        what = "HTML" if body.lstrip()[:1] == b"<" else "something else than a list of models"
        raise NotAList(
            f"It answered {what}; give the base URL of its API, such as http://host:8000/v1."
        ) from None
    found = {}
    for model in models:
        id = model.id.removeprefix(kind.prefix)
        if id and len(id) <= MAX_NAME and id.isprintable():
            found[id] = Found(
                id=id, context_length=_context(model), owner=model.owned_by, created=_created(model)
            )
    return tuple(found.values())


def _model(raw: msgspec.Raw) -> _Model:
    """One entry; what is strange about it but its id does not matter."""
    try:
        return msgspec.json.decode(raw, type=_Model)
    except msgspec.ValidationError:
        return _Model(id=msgspec.json.decode(raw, type=_Named).id)


def _context(model: _Model) -> int | None:
    told = [model.max_model_len, model.context_length, model.context_window, model.max_input_tokens]
    if model.meta is not None:
        told.append(model.meta.n_ctx)
    if model.bago is not None:
        told += [max((node.context_length or 0 for node in model.bago.nodes), default=0)]
    return next((length for length in told if length and 0 < length <= LONGEST_CONTEXT), None)


def _created(model: _Model) -> int | None:
    for told in (model.created, model.created_at):
        if isinstance(told, str):
            try:
                told = datetime.fromisoformat(told).timestamp()
            except (ValueError, OverflowError, OSError):
                continue
        if (created := moment(told)) is not None:
            return created
    return None


async def _ready(target: Target, timeout: float) -> None:
    try:
        await fetch(target, "/health", timeout)
    except NoList:
        return
