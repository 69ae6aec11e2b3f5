"""What the router has to know of a request."""

from __future__ import annotations

from typing import Literal

import msgspec

Task = Literal["generate", "embed", "rerank"]
Dialect = Literal["chat", "completions", "embeddings", "rerank", "responses", "messages"]
"""How a client speaks, by the route it asks."""

DEFAULT_ANSWER = 256
"""Tokens of an answer that nobody bounded, for estimates of work only."""


class Shape(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A request without its content."""

    model: str
    """As the client wrote it: ``name`` or ``node/name``."""
    task: Task = "generate"
    dialect: Dialect = "chat"
    stream: bool = False
    prompt_tokens: int = 0
    """Estimate from the size of the body, for the work it makes."""
    least_tokens: int = 0
    """Prompt tokens that it has at the very least, for the gate that refuses."""
    max_tokens: int | None = None
    caller: str = "local"
    """Whose fair share it counts against: a peer, a notebook, the name of an API key, an address."""
    local_only: bool = False
    """Only this machine may see the prompt."""
    relayed: bool = False
    """Came from a peer, and therefore may not go to another."""

    @property
    def work(self) -> int:
        """Tokens to read and to write, as an estimate."""
        return self.prompt_tokens + (DEFAULT_ANSWER if self.max_tokens is None else self.max_tokens)
