"""What the router has to know of a request."""

from __future__ import annotations

from typing import Literal

import msgspec

Task = Literal["generate", "embed", "rerank"]
Dialect = Literal["chat", "completions", "embeddings", "rerank", "responses", "messages"]
"""How a client speaks, by the route it asks."""

DEFAULT_ANSWER = 256
"""Tokens of an answer that nobody bounded, for estimates of work only."""
LONGEST_ANSWER = 16 * DEFAULT_ANSWER
"""Tokens of an answer that are expected at most, whatever its bound."""
READING = 8
"""Tokens of a prompt that are read in the time in which one is written, for estimates of work only."""


class Shape(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A request without its content."""

    model: str
    """As the client wrote it: ``name``, ``node/name`` or the name of a route."""
    task: Task = "generate"
    dialect: Dialect = "chat"
    stream: bool = False
    prompt_tokens: int = 0
    """Estimate from the size of the body, for the work it makes."""
    least_tokens: int = 0
    """Prompt tokens that it has at the very least, for the gate that refuses."""
    likely_tokens: int = 0
    """Prompt tokens of a text of its length, for the order of those that are asked; 0 where its length tells
    nothing."""
    answer: int = DEFAULT_ANSWER
    """Tokens to write, as an estimate; 0 where nothing is written."""
    prefix: tuple[int, ...] = ()
    """Running hashes of the beginning of its prompt (:func:`~.affinity.prefix_of`)."""
    caller: str = "local"
    """Whose fair share it counts against: a peer, a notebook, the name of an API key, an address."""
    local_only: bool = False
    """Only this machine may see the prompt."""
    relayed: bool = False
    """Came from a peer, and therefore may not go to another."""

    def work(self, warm: int = 0) -> int:
        """Work in tokens written, where ``warm`` tokens of the prompt need not be read again."""
        unread = self.prompt_tokens - warm
        return (unread // READING if unread > 0 else 0) + self.answer or 1
