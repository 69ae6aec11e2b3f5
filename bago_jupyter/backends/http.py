"""A server at a URL that speaks OpenAI's or Anthropic's HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from ..errors import Unsupported, UpstreamFailed
from ..http1 import Response
from ..router import Offer
from ..router.shape import Dialect, Task
from ..trust.secret import Secret
from .base import Answering, Opened, Request, nothing
from .dialects import COUNT
from .probing import tasks_of
from .splice import replace_model
from .target import OPENAI, Manner, Target

__all__ = ["DIALECT_HEADERS", "TASKS", "Found", "HttpBackend", "Target", "able", "answerable"]

TASKS: frozenset[Task] = frozenset({"generate", "embed", "rerank"})
DIALECT_HEADERS = frozenset({b"anthropic-version", b"anthropic-beta", b"openai-beta"})
"""Headers of a client that mean nothing once its request was translated."""
_OTHER: dict[Dialect, Dialect] = {"chat": "messages", "messages": "chat"}


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A model as a server lists it."""

    id: str
    context_length: int | None = None
    owner: str | None = None
    tasks: frozenset[Task] | None = None
    """What it does, where the server tells."""
    created: int | None = None
    """As a Unix time."""


def able(
    kind: frozenset[Task], native: frozenset[Dialect] | None, told: frozenset[Task] | None = None
) -> frozenset[Task]:
    """What a model does: as servers of its ``kind`` do, in the dialects that this one speaks (``None``: not
    known), and as it ``told`` of the model itself."""
    tasks = kind if native is None else kind & tasks_of(native)
    return (tasks & told or told) if told else tasks


def answerable(native: frozenset[Dialect]) -> frozenset[Dialect]:
    """What can be answered where ``native`` is spoken: chat completions and Anthropic messages are
    translated into each other."""
    return native | {_OTHER[dialect] for dialect in native if dialect in _OTHER}


class HttpBackend:
    """One server and its models. Belongs to the node's loop.

    Whoever follows the server sets what is known of it: :attr:`found` and :attr:`native`, which is what the
    server speaks itself, ``None`` for everything.
    """

    kind = "openai"

    def __init__(
        self,
        name: str,
        url: str,
        models: Iterable[str] = (),
        *,
        slots: int = 64,
        kind: str = "openai",
        key: Secret | None = None,
        manner: Manner = OPENAI,
        tasks: frozenset[Task] = TASKS,
        native: frozenset[Dialect] | None = None,
        share: bool = False,
        official: bool = False,
    ):
        self.kind = kind
        self.id = f"{kind}:{name}"
        self.node = name
        self.found: tuple[Found, ...] = tuple(Found(id=model) for model in models)
        self.native = native
        self.slots = slots
        self.share = share
        self.official = official
        """Whether the maker of its dialect runs it; see ``translate/fields.py``."""
        self.refused: Callable[[], None] = nothing
        """Called when the server refuses the key of this connection for a request."""
        self.target = Target(url, key=key, manner=manner)
        self.begin = self.target.begin
        self.tasks = tasks

    def offers(self) -> Iterable[Offer]:
        dialects = None if self.native is None else answerable(self.native)
        for found in self.found:
            yield Offer(
                backend=self.id,
                node=self.node,
                model=found.id,
                tasks=able(self.tasks, self.native, found.tasks),
                context_length=found.context_length,
                created=found.created,
                dialects=dialects,
                native=self.native,
                shared=self.share,
                slots=self.slots,
            )

    async def open(self, request: Request, offer: Offer, begun: Response | None = None) -> Opened:
        """Send ``request``, translated where the server lacks its dialect.

        Raises :class:`Unsupported` for what neither the server nor a translation can, and
        :class:`UpstreamFailed` where the server redirects, or refuses this connection's key: the client's
        own is fine.
        """
        sent = self._renamed(request, offer)
        if self.native is None or request.dialect in self.native:
            return Opened(self._checked(await self.target.send(sent, begun)), nothing, self.key)
        return await self._translated(request, sent.body)

    @property
    def key(self) -> Secret | None:
        """What the server is asked with."""
        return self.target.key

    async def close(self) -> None:
        self.target.pool.close()

    def retire(self) -> None:
        """Let what runs there end, and nothing else begin."""
        self.target.pool.close_idle()

    @staticmethod
    def _renamed(request: Request, offer: Offer) -> Request:
        """``request`` with the model called as the server calls it."""
        if not request.model or request.model == offer.model:
            return request
        body = replace_model(request.body, request.model, offer.model)
        return msgspec.structs.replace(request, body=body)

    async def _translated(self, request: Request, body: bytes) -> Opened:
        from .translate import CHAT_TO_MESSAGES, MESSAGES_TO_CHAT

        assert self.native is not None
        if request.path == COUNT:
            raise Unsupported(f"{self.node} does not speak Anthropic messages, so it cannot count tokens.")
        if _OTHER.get(request.dialect) not in self.native:
            spoken = ", ".join(sorted(answerable(self.native))) or "nothing known"
            raise Unsupported(f"{self.node} cannot answer {request.dialect} requests, only {spoken}.")
        translation = CHAT_TO_MESSAGES if request.dialect == "chat" else MESSAGES_TO_CHAT
        sent = msgspec.structs.replace(
            request,
            path=translation.path,
            body=translation.request(body, official=self.official),
            headers=[pair for pair in request.headers if pair[0] not in DIALECT_HEADERS],
        )
        exchange = self._checked(await self.target.send(sent))
        try:
            return Opened(translation.exchange(exchange, request.stream, request.body), nothing, self.key)
        except BaseException:
            exchange.close()
            raise

    def _checked(self, exchange: Answering) -> Answering:
        if 300 <= exchange.status < 400:  # clients follow, with the prompt, wherever that leads
            exchange.close()
            raise UpstreamFailed(
                f"{self.node} redirects elsewhere ({exchange.status}); a test of this connection says where."
            )
        if self.target.key is None or exchange.status not in (401, 403):
            return exchange
        status = exchange.status
        exchange.close()
        if status == 401:
            self.refused()
        what = (
            "refuses the key of this connection" if status == 401 else "forbids this to the key it was given"
        )
        raise UpstreamFailed(f"{self.node} {what} ({status}).", cause="key" if status == 401 else "forbidden")
