"""From HTTP answers to messages and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import httpx
import msgspec

from .. import errors, lenient
from ..sse import Events, TooLong
from ..wire import JobEvent, ModelInfo, Progress

T = TypeVar("T")
OnProgress = Callable[[Progress], None]
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def encode(body: Any) -> bytes | None:
    """``body`` as JSON. Raises :class:`~bago_jupyter.errors.InvalidRequest` where UTF-8 cannot hold it."""
    try:
        return None if body is None else msgspec.json.encode(body)
    except UnicodeEncodeError:
        raise errors.InvalidRequest(
            "The text to send holds what is no character: bytes of another encoding, or half a pair."
        ) from None


def decode(response: httpx.Response, type: type[T]) -> T:
    if response.status_code >= 400:
        error = error_of(_failure(response.content) or f"The node answered {response.status_code}.")
        error.request = response.headers.get("x-request-id")
        raise error
    try:
        return msgspec.json.decode(response.content or b"null", type=type)
    except _UNREADABLE:
        raise no_node(response.url.host) from None


def _failure(body: bytes) -> Any:
    try:
        (first, *_) = lenient.items(lenient.parse(body))
    except ValueError:
        return None
    return lenient.failure(first) or lenient.sentence(first)


_BY_CODE = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.BagoError)
}


def error_of(failure: Any) -> errors.BagoError:
    """What a node, or a server behind it, gives as its error, whatever form that has."""
    fields = next(iter(lenient.items(failure)), {})
    kind = _BY_CODE.get(str(fields.get("code")), errors.BagoError)
    param = fields.get("param")
    said = lenient.sentence(failure) or "The node failed, and does not say why."
    return kind(said, param=param if isinstance(param, str) else None)


@contextmanager
def reachable(url: str, http: httpx.Client | httpx.AsyncClient) -> Iterator[None]:
    """What goes wrong on the way to the node at ``url``, as :class:`~bago_jupyter.errors.NodeUnreachable`."""
    try:
        yield
    except httpx.TimeoutException:
        raise errors.NodeUnreachable(f"The node at {url} does not answer in time.") from None
    except RuntimeError:
        if not http.is_closed:
            raise
        raise errors.NodeUnreachable("This client was closed; bago.node() gives a new one.") from None
    except httpx.DecodingError:
        raise errors.UpstreamFailed(f"What came from {url} is packed and cannot be unpacked.") from None
    except httpx.TransportError:
        raise errors.NodeUnreachable(
            f"No node answers at {url}; run %bago up (or bago-jupyter serve)."
        ) from None


def cut(error: httpx.HTTPError) -> errors.UpstreamFailed:
    """``error``, which ended an answer before it was whole."""
    if isinstance(error, httpx.DecodingError):
        return errors.UpstreamFailed("The answer is packed, and cannot be unpacked.")
    return errors.UpstreamFailed("The answer broke off before its end.", cause="broken")


class NodeEvents(Generic[T]):
    """Reads a stream of a node's own events, each of them a ``type``."""

    def __init__(self, response: httpx.Response, type: Any):
        self._host = response.url.host
        self._type = type
        self._events = Events()

    def read(self, chunk: bytes) -> Iterator[T | None]:
        """Take the next bytes; ``None`` stands for a sign of life. Raises
        :class:`~bago_jupyter.errors.NodeUnreachable` for what no node sends."""
        try:
            for event in self._events.feed(chunk):
                yield msgspec.json.decode(event.data, type=self._type) if event.data else None
        except (TooLong, *_UNREADABLE):
            raise no_node(self._host) from None


def no_node(host: str) -> errors.NodeUnreachable:
    return errors.NodeUnreachable(f"Something else than a node answers at {host}.")


def job_event(event: JobEvent, on_progress: OnProgress | None) -> ModelInfo | None:
    if event.error is not None:
        raise error_of(msgspec.structs.asdict(event.error))
    if event.progress is not None and on_progress is not None:
        on_progress(event.progress)
    return event.model


USELESS = ("failed", "unsupported")
"""States of models that cannot answer."""


def pick(models: list[ModelInfo]) -> str | None:
    """A model of the library that chats, a loaded one before others; ``None`` where there is none."""
    chat = [model for model in models if "generate" in model.tasks and model.chat]
    able = [model for model in chat if model.state not in USELESS]
    return min(able, key=lambda model: (model.state != "ready", model.id)).id if able else None


def pick_anywhere(listed: dict[str, Any]) -> str:
    """The same of ``/v1/models``: what paired nodes share before what connections have, which may cost money.

    Raises :class:`~bago_jupyter.errors.ModelNotFound`."""
    able = [
        (not place["backend"].startswith("peer:"), place["state"] != "ready", model["id"], place)
        for model in listed["data"]
        for place in model["bago"]["nodes"]
        if "generate" in place["tasks"]
        and place["state"] != "failed"
        and place["health"] not in ("disabled", "unhealthy")
    ]
    chat = [order for *order, place in able if place.get("chat", True)]
    if chat:
        return str(min(chat)[-1])
    if able:
        raise errors.ModelNotFound(
            f"There is no model that chats ({able[0][2]} completes text only); run %bago pull smollm2, "
            "or name the model."
        )
    raise errors.ModelNotFound("There is no model yet; run %bago pull smollm2.")
