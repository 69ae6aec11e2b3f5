"""What a runner is told when it starts."""

from __future__ import annotations

from typing import Literal

import msgspec

Task = Literal["generate", "embed", "rerank"]


class RunnerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Sent to the child as one JSON line on its stdin, so that the key is in no argument list."""

    path: str
    task: Task = "generate"
    context_length: int = 8192
    """Tokens of every slot."""
    slots: int = 1
    gpu_layers: int = -1
    """-1 is as many as fit."""
    threads: int = 0
    """0 is one less than there are cores, which leaves one to the cells of the kernel."""
    aliases: tuple[str, ...] = ()
    """Names under which the runner answers."""
    api_key: str = ""
    socket: str = ""
    """Path of the Unix socket to listen on; empty is a free port of 127.0.0.1."""

    def __repr__(self) -> str:
        return f"RunnerSpec({self.path!r}, {self.task}, {self.slots} x {self.context_length} tokens)"
