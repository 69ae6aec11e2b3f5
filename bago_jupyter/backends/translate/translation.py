"""The two directions, each as one object."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from ...router.shape import Dialect
from ..base import Answering
from ..coded import unpacked
from ..sound import sound
from .chat_answer import ChatStream, chat_answer
from .chat_request import request_to_messages
from .exchange import TranslatedExchange
from .messages_answer import MessagesStream, messages_answer
from .messages_request import request_to_chat
from .retelling import Retelling
from .shapes import ClientDialect


class _ToRequest(Protocol):
    def __call__(self, body: bytes, *, official: bool = False) -> bytes: ...


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Asked(msgspec.Struct):
    stream_options: _StreamOptions | None = None


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """How a client of one dialect is answered by a backend of the other. Thread-safe: it holds no state."""

    client: ClientDialect
    """What the client speaks."""
    backend: Dialect
    """What the backend speaks."""
    path: bytes
    """The path under which the backend serves its own dialect."""
    _request: _ToRequest
    _whole: Callable[[bytes, int], bytes]
    _stream: Callable[[int, bool], Retelling]

    def request(self, body: bytes, *, official: bool = False) -> bytes:
        """The client's body in the backend's dialect.

        ``official`` says that the backend is run by the dialect's own maker (api.openai.com,
        api.anthropic.com), which refuses fields that every other server takes or ignores; see ``fields.py``.

        Raises :class:`~bago_jupyter.errors.Unsupported` for what cannot be said in the other dialect and
        :class:`~bago_jupyter.errors.InvalidRequest` for what is wrong in the client's own.
        """
        return self._request(body, official=official)

    def exchange(self, exchange: Answering, stream: bool, asked: bytes = b"") -> Answering:
        """The backend's ``exchange``, whose head is there, in the client's dialect.

        ``stream`` is whether the client asked for events. ``asked`` is the client's own body: a chat client
        that set ``stream_options.include_usage`` gets the usage as an event of its own then, as OpenAI
        documents it, and otherwise with the last choice, where it disturbs nobody.
        """
        now = int(time.time())
        return TranslatedExchange(
            sound(unpacked(exchange), self.backend, stream),
            client=self.client,
            whole=lambda body: self._whole(body, now),
            stream=self._stream(now, _wants_usage(asked)) if stream else None,
        )


def _wants_usage(asked: bytes) -> bool:
    if b"include_usage" not in asked:
        return False
    try:
        options = msgspec.json.decode(asked, type=_Asked).stream_options
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return options is not None and bool(options.include_usage)


CHAT_TO_MESSAGES = Translation(
    client="chat",
    backend="messages",
    path=b"/v1/messages",
    _request=request_to_messages,
    _whole=chat_answer,
    _stream=lambda now, usage: ChatStream(now, include_usage=usage),
)
"""The client speaks chat completions, the backend Anthropic messages."""

MESSAGES_TO_CHAT = Translation(
    client="messages",
    backend="chat",
    path=b"/v1/chat/completions",
    _request=request_to_chat,
    _whole=lambda body, now: messages_answer(body),
    _stream=lambda now, usage: MessagesStream(),
)
"""The client speaks Anthropic messages, the backend chat completions."""
