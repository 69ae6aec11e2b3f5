"""The conversation of a notebook."""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]


class History:
    """Turns that were answered, whole or in part. Belongs to the thread that runs cells.

    A request that failed leaves no trace, so that the next one is sent what the models did say.
    """

    def __init__(self) -> None:
        self.system: str | None = None
        self._turns: list[Message] = []

    def __len__(self) -> int:
        return len(self._turns)

    def messages(self, prompt: str, system: str | None = None) -> list[Message]:
        """What to send to continue with ``prompt``, under ``system`` or the one that was kept."""
        return [*_system(system or self.system), *self._turns, _user(prompt)]

    def keep(self, prompt: str, answer: str, system: str | None = None) -> None:
        """Add a turn and, if given, the system prompt from now on; an empty answer adds nothing."""
        if answer:
            self.system = system or self.system
            self._turns += [_user(prompt), {"role": "assistant", "content": answer}]

    def reset(self) -> int:
        """Forget everything; return how many turns there were."""
        count = len(self._turns) // 2
        self._turns.clear()
        self.system = None
        return count


def single(prompt: str, system: str | None) -> list[Message]:
    """A conversation of one prompt, for a chat without history."""
    return [*_system(system), _user(prompt)]


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _system(text: str | None) -> list[Message]:
    return [{"role": "system", "content": text}] if text else []
