"""From HTTP answers to messages and errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import msgspec

from .. import errors
from ..wire import JobEvent, ModelInfo, Progress

T = TypeVar("T")
OnProgress = Callable[[Progress], None]


def encode(body: Any) -> bytes | None:
    return None if body is None else msgspec.json.encode(body)


def decode(response: httpx.Response, type: type[T]) -> T:
    if response.status_code >= 400:
        try:
            failure = json.loads(response.content)["error"]
        except (ValueError, KeyError, TypeError):
            failure = {"message": f"The node answered {response.status_code}."}
        error = error_of(failure)
        error.request = response.headers.get("x-request-id")
        raise error
    try:
        return msgspec.json.decode(response.content or b"null", type=type)
    except msgspec.MsgspecError:
        raise errors.NodeUnreachable(f"Something else than a node answers at {response.url.host}.") from None


_BY_CODE = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.BagoError)
}


def error_of(failure: dict[str, Any]) -> errors.BagoError:
    kind = _BY_CODE.get(str(failure.get("code")), errors.BagoError)
    return kind(str(failure.get("message", "The node failed.")), param=failure.get("param"))


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
    except httpx.TransportError:
        raise errors.NodeUnreachable(
            f"No node answers at {url}; run %bago up (or bago-jupyter serve)."
        ) from None


def job_event(data: str, on_progress: OnProgress | None) -> ModelInfo | None:
    event = msgspec.json.decode(data, type=JobEvent)
    if event.error is not None:
        raise error_of(msgspec.structs.asdict(event.error))
    if event.progress is not None and on_progress is not None:
        on_progress(event.progress)
    return event.model


def pick(models: list[ModelInfo]) -> str | None:
    """A model of the library that can chat, a loaded one before others; ``None`` where there is none."""
    chat = [model for model in models if "generate" in model.tasks and model.state != "failed"]
    return min(chat, key=lambda model: (model.state != "ready", model.id)).id if chat else None


def pick_anywhere(listed: dict[str, Any]) -> str:
    """The same of ``/v1/models``: what paired nodes share before what connections have, which may cost money.

    Raises :class:`~bago_jupyter.errors.ModelNotFound`."""
    chat = [
        (not place["backend"].startswith("peer:"), place["state"] != "ready", model["id"])
        for model in listed["data"]
        for place in model["bago"]["nodes"]
        if "generate" in place["tasks"]
        and place["state"] != "failed"
        and place["health"] not in ("disabled", "unhealthy")
    ]
    if not chat:
        raise errors.ModelNotFound("There is no model yet; run %bago pull smollm2.")
    return str(min(chat)[-1])
