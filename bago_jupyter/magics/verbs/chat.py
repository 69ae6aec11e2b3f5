"""``%bago chat``, ``%%bago chat`` and ``reset``."""

from __future__ import annotations

import time
from typing import Any

from ... import launch
from ...client import Reply
from ...errors import ContextTooLong
from ..answer import Answer
from ..history import single
from ..parse import Given
from ..quiet import Interrupted, Usage
from ..session import Session

_SAMPLING = ("temperature", "max_tokens", "top_p", "seed", "stop")


def chat(session: Session, given: Given) -> None:
    """Ask a model and show the answer as it arrives.

    An interrupt closes the connection, which frees the node's slot, and keeps what has arrived: on
    show, in ``--to`` and in the conversation. The cell then counts as failed, so that "Run All" stops.
    """
    options, history = given.options, session.history
    if options.get("reset"):
        history.reset()
    if not given.argument.strip():
        if options.get("reset"):
            session.screen.line("The conversation is forgotten.")
            return
        raise Usage("What should the model be asked? %bago chat PROMPT, or %%bago chat above the prompt.")
    remember = not options.get("no_history")
    turn = _Turn(session, options, remember)
    try:
        turn.run(given.argument)
    except ContextTooLong as error:
        if remember and len(history):
            raise ContextTooLong(f"{error.message} %bago reset forgets the conversation so far.") from None
        raise


def reset(session: Session, given: Given) -> None:
    """Forget the conversation."""
    turns = session.history.reset()
    session.screen.line(f"The conversation is forgotten ({turns} {'turn' if turns == 1 else 'turns'}).")


class _Turn:
    """One question and its answer."""

    def __init__(self, session: Session, options: dict[str, Any], remember: bool) -> None:
        self._session = session
        self._options = options
        self._remember = remember
        self._answer = Answer(session.screen, options.get("format", "markdown"))
        self._reply: Reply | None = None
        self._model = options.get("model", "")
        self._first: float | None = None

    def run(self, prompt: str) -> None:
        system = self._options.get("system")
        history = self._session.history
        messages = history.messages(prompt, system) if self._remember else single(prompt, system)
        try:
            self._stream(messages)
        except KeyboardInterrupt:
            self._answer.stop()
            self._keep(prompt, self._answer.text)
            kept = "what arrived is kept" if self._answer.text else "nothing had arrived"
            raise Interrupted(f"interrupted; {kept} · {self._footer()}") from None
        except BaseException:
            self._answer.stop()
            raise
        try:
            value = self._answer.finish()
        except Usage:
            self._keep(prompt, self._answer.text)
            raise
        self._keep(prompt, value)
        self._session.screen.dim(self._footer())

    def _stream(self, messages: list[dict[str, Any]]) -> None:
        options = {name: self._options.get(name) for name in _SAMPLING}
        if self._options.get("format") == "json":
            options["response_format"] = {"type": "json_object"}
        node = launch.node()
        self._model = self._model or node.default_model()
        with node.chat(messages, model=self._model, **options) as (reply, pieces):
            self._reply = reply
            for piece in pieces:
                self._first = self._first or time.monotonic()
                self._answer.feed(piece)

    def _keep(self, prompt: str, value: Any) -> None:
        if self._remember and self._answer.text:
            self._session.history.keep(prompt, self._answer.text, self._options.get("system"))
        if name := self._options.get("to"):
            self._session.assign(name, value)

    def _footer(self) -> str:
        facts = [self._model]
        if (reply := self._reply) is not None:
            tokens, speed = reply.tokens, reply.speed
            if speed is None and tokens and self._first is not None:
                speed = tokens / max(time.monotonic() - self._first, 1e-3)
            facts += [
                f"on {reply.node}" if reply.node else "",
                f"{tokens} tokens" if tokens is not None else "",
                f"{speed:.1f} tokens/s" if speed else "",
                "cut at --max-tokens" if reply.finish_reason == "length" else "",
                f"%bago why {reply.request_id}" if reply.request_id else "",
            ]
        return " · ".join(fact for fact in facts if fact)
