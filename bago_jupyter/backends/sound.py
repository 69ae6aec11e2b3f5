"""Whether an answer under a status of success is one, and of the kind that was asked for.

Login pages, empty bodies and errors come with a status of 200 too. They are failures, found before the
client is given a byte, so that somebody else can answer. A whole answer where events were asked for, and
events where a whole answer was, are answers: they are retold (:mod:`~.reshaping`).

This is the second look. The exchange takes the first, for which nothing is decoded, and comes here with
whatever it doubts.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from ..errors import BagoError, UpstreamFailed, UpstreamTimeout
from ..lenient import items, quoted
from ..router.shape import Dialect
from ..sse import BOM, MAX_EVENT, Events, TooLong
from .base import Answering
from .dialects import COUNT
from .draining import drain
from .failures import OURS, answered
from .usage import Usage

LONGEST_ERROR = 1 << 20
"""Bytes of a JSON body in which an error is looked for."""
MAX_WHOLE = 64 << 20
"""Bytes of an answer that is retold as one of the other kind."""
MAX_BLANK = 64 << 10
"""Blanks before the first byte of an answer; some servers send one now and then while they are at work."""
NO_CONTENT = frozenset({204, 205})
"""Statuses of success whose answers have no body, whatever comes behind their heads (RFC 9110, 15.3)."""
STREAMED: frozenset[Dialect] = frozenset({"chat", "completions", "messages", "responses"})
_BLANK = b" \t\r\n"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_KINDS = {True: b"text/event-stream; charset=utf-8", False: b"application/json"}
_RETOLD = frozenset({b"content-type", b"content-length"})


def sound(
    exchange: Answering,
    dialect: Dialect,
    stream: bool,
    *,
    path: bytes = b"",
    node: str = "The backend",
    patience: float | None = None,
) -> Answering:
    """``exchange``, of which the first read raises where it is no answer, for all its status of success.

    ``dialect`` is what it speaks, ``stream`` whether events were asked for, and ``node`` who answers.
    ``patience`` is the seconds that it may consist of blanks and comments. An answer of another status stays
    as it is.
    """
    if not 200 <= exchange.status < 300:
        return exchange
    told = dialect in STREAMED and path != COUNT
    return Sound(exchange, dialect if told else None, stream and told, node, patience)


class Sound:
    """An :class:`~bago_jupyter.backends.base.Answering` around another. Belongs to the loop of that one."""

    def __init__(
        self,
        exchange: Answering,
        dialect: Dialect | None,
        stream: bool,
        node: str,
        patience: float | None,
    ):
        self.status = exchange.status
        self.headers = exchange.headers
        self._exchange = exchange
        self._dialect = dialect
        """``None`` where no answer of the other kind could be retold."""
        self._stream = stream
        self._node = node
        self._patience = patience
        self._judged = self._over = False

    @property
    def complete(self) -> bool:
        return self._over or self._exchange.complete

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises a :class:`BagoError`."""
        if self._judged:
            return b"" if self._over else await self._exchange.read()
        try:
            async with asyncio.timeout(self._patience) as limit:
                told = await self._judge(limit)
        except TimeoutError:
            self.close()
            raise UpstreamTimeout(
                f"{self._node} began an answer and said nothing in it for {self._patience:g} s."
            ) from None
        self._judged = True
        return told

    def close(self) -> None:
        self._exchange.close()

    async def _judge(self, limit: asyncio.Timeout) -> bytes:
        """The first bytes for the client. Raises where there are none for it. ``limit`` is what it may take,
        or, where the whole answer is needed, its first word."""
        data, whole = await self._begin()
        begin = data.removeprefix(BOM).lstrip(_BLANK)
        if not begin or self.status in NO_CONTENT:
            raise UpstreamFailed(f"{self._node} answered {self.status} with an empty body.")
        if begin.startswith((b"{", b"[")):
            if not self._stream:
                limit.reschedule(None)
            return await self._json(data, whole)
        if self._dialect is not None and (_is_events(begin) or (self._called_events() and _is_line(begin))):
            data, whole = await self._first(data, whole)
            if self._stream:
                self._called(True)
                return data
            limit.reschedule(None)
            from .reshaping import as_whole

            return self._retold(as_whole(await self._all(data, whole), self._dialect, self._look_event))
        raise UpstreamFailed(_no_answer(self._node, self.status, begin))

    async def _begin(self) -> tuple[bytes, bool]:
        """The body as far as it takes to tell what it is, and whether that is all of it."""
        blanks: list[bytes] = []  # kept: a length in the head counts them
        size, data = 0, b""
        while not _recognizable(data):
            chunk = await self._exchange.read()
            if not chunk:
                return b"".join([*blanks, data]), True
            data += chunk
            if not data.removeprefix(BOM).strip(_BLANK):
                blanks.append(data)
                size += len(data)
                data = b""
                if size > MAX_BLANK:
                    raise UpstreamFailed(f"{self._node} answered {self.status} with nothing but blanks.")
        return b"".join([*blanks, data]), False

    async def _json(self, data: bytes, whole: bool) -> bytes:
        if self._stream:
            assert self._dialect is not None
            data = await self._all(data, whole)
            from .reshaping import as_events, one_answer

            data = one_answer(data) or data
            self._look(data)
            return self._retold(as_events(data, self._dialect))
        if not whole:
            parts, size = [data], len(data)
            while size < LONGEST_ERROR and not whole:
                chunk = await self._exchange.read()
                parts.append(chunk)
                size += len(chunk)
                whole = not chunk
            data = b"".join(parts)
        if whole and len(data) <= LONGEST_ERROR:
            told: bytes | None = data
            if self._dialect is not None and not _is_object(data):
                from .reshaping import one_answer

                told = one_answer(data)
            self._look(told or data)
            if told is not None and told is not data:
                return self._retold(told)
            if not data.rstrip(_BLANK).endswith((b"}", b"]")):
                raise UpstreamFailed(
                    f"{self._node} answered {self.status} with half an answer.", cause="broken"
                )
        self._over = whole
        return data

    async def _first(self, data: bytes, whole: bool) -> tuple[bytes, bool]:
        """A stream up to the first event that says something, and whether that is all of it."""
        events, parts, size = Events(), [data], len(data)
        try:
            first = events.feed(data)
            while not any(event.data for event in first):
                chunk = b"" if whole else await self._exchange.read()
                if not chunk:
                    first, whole = events.end(), True
                    break
                parts.append(chunk)
                size += len(chunk)
                if size > MAX_EVENT:
                    raise TooLong
                first = events.feed(chunk)
        except TooLong:
            raise UpstreamFailed(f"{self._node} sent an event that is too long.") from None
        event = next((event for event in first if event.data), None)
        if event is None or event.data.strip().lower() == b"[done]":
            raise UpstreamFailed(f"{self._node} answered {self.status} with a stream without a word in it.")
        self._look_event(event.name, event.data)
        return b"".join(parts), whole

    async def _all(self, data: bytes, whole: bool) -> bytes:
        parts, size = [data], len(data)
        usage = Usage(True)
        usage.feed(data)
        while not whole:
            if usage.over:
                await drain(self._exchange)
                break
            try:
                chunk = await self._exchange.read()
            except UpstreamFailed:
                if not (usage.ended or usage.finished):
                    raise
                break
            if not chunk:
                break
            usage.feed(chunk)
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_WHOLE:
                raise UpstreamFailed(f"The answer of {self._node} is larger than {MAX_WHOLE >> 20} MiB.")
        return b"".join(parts)

    def _called_events(self) -> bool:
        return (self.header(b"content-type") or b"").lower().startswith(b"text/event-stream")

    def _retold(self, body: bytes) -> bytes:
        self._over = True
        self._called(self._stream)
        return body

    def _called(self, events: bool) -> None:
        """Say in the headers what the body is."""
        if not events or not self._called_events():
            headers = [pair for pair in self.headers if pair[0] not in _RETOLD]
            self.headers = [*headers, (b"content-type", _KINDS[events])]

    def _look(self, body: bytes) -> None:
        """Raises where a JSON body is an error."""
        error = told_error(body)
        if error is not None:
            raise self._ours(error)

    def _look_event(self, name: bytes, data: bytes) -> None:
        """Raises where an event is an error."""
        if b"error" in data or name in (b"error", b"response.failed"):
            error = told_error(data, event=True, certain=name == b"error")
            if error is not None:
                raise self._ours(error)

    def _ours(self, error: BagoError) -> BagoError:
        return answered(error.status, self._node, None) if error.status in OURS else error


def told_error(data: bytes, *, event: bool = False, certain: bool = False) -> BagoError | None:
    """The error that a JSON value is, if it is one; ``event`` where it is one of a stream, ``certain`` where
    it is known to be an error."""
    from .translate.failures import read_error
    from .translate.tolerant import decoded

    try:
        told = decoded(data)
    except msgspec.DecodeError:
        return read_error(data.decode("utf-8", "replace")) if certain else None
    if isinstance(told, list) and len(told) == 1:  # Gemini
        told = told[0]
    if not isinstance(told, dict):
        return read_error(told) if certain else None
    error = told.get("error")
    if told.get("type") == "response.failed":
        response = told.get("response")
        return read_error((response.get("error") if isinstance(response, dict) else None) or "It failed.")
    if certain or told.get("type") == "error" or told.get("object") == "error":
        return read_error(error or told)
    if error and event and not _remark(told):
        return read_error(error)
    parts = [told[name] for name in _PARTS if name in told]
    if any(parts):  # beside an answer, an error is a remark
        return next(iter(_in_choices(told.get("choices"))), None)
    if not parts and (isinstance(told.get("detail"), str) or isinstance(told.get("message"), str)):
        return read_error(told)
    return read_error(error) if error else None


def told_last(usage: Usage, node: str) -> BagoError:
    """The error with which a stream has ended, as :attr:`Usage.failed` says it did."""
    events = Events()
    for event in reversed(events.feed(usage.tail) + events.end()):
        if event.data:
            error = told_error(event.data, event=True, certain=event.name == b"error")
            if error is not None:
                return error
    return UpstreamFailed(f"{node} ended its stream with an error.")


def _in_choices(choices: Any) -> list[BagoError]:
    """OpenRouter's way to tell an error: in each choice, in place of what it says."""
    from .translate.failures import read_error

    told = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    said = any(choice.get(name) for choice in told for name in ("message", "delta", "text"))
    return [] if said else [read_error(choice["error"]) for choice in told if choice.get("error")]


def _remark(event: Any) -> bool:
    """Whether an error in an event stands beside more of the answer, which it does not end."""
    choices = items(event.get("choices"))
    said = any(part.get("content") for it in choices for part in items(it.get("delta")))
    return said and not any(choice.get("finish_reason") == "error" for choice in choices)


_PARTS = ("choices", "content", "data", "results", "output", "embeddings", "input_tokens")
"""Where an answer has what was asked for."""


def _recognizable(data: bytes) -> bool:
    begin = data.removeprefix(BOM).lstrip(_BLANK)
    return (
        bool(begin)
        and not BOM.startswith(data)
        and (_is_events(begin) or not any(name.startswith(begin) for name in _FIELDS))
    )


def _is_object(data: bytes) -> bool:
    """Whether it begins and ends as one."""
    return data.removeprefix(BOM).lstrip(_BLANK)[:1] == b"{" and data.rstrip(_BLANK)[-1:] == b"}"


def _is_line(begin: bytes) -> bool:
    """Whether it may be a line of a stream that says nothing, as one with a field that nobody knows."""
    return not begin.startswith((b"<", b"error:"))


def _is_events(begin: bytes) -> bool:
    return begin.startswith(_FIELDS)


def _no_answer(node: str, status: int, begin: bytes) -> str:
    said = quoted(begin)
    if begin.startswith(b"<"):
        return f"{node} answered {status} with a web page, as a login or a proxy does: {said}"
    return f"{node} answered {status} with something that is no answer: {said}"
