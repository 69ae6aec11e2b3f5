"""A conversation with models, as a list of turns."""

from __future__ import annotations

import itertools
from typing import Any, Literal

from ..errors import InvalidRequest
from ..wire import Message


class Turn(Message):
    """What one side said."""

    id: int
    role: Literal["user", "assistant"]
    text: str = ""
    thought: str = ""
    """What a reasoning model thought before."""
    state: Literal["streaming", "done", "stopped", "failed"] = "done"
    error: str | None = None
    model: str | None = None
    """As it was asked for."""
    node: str | None = None
    """Who answered."""
    request: str | None = None
    """Id of the request, under which the node knows why it went where it went."""
    attempts: int | None = None
    first: float | None = None
    """Seconds to the first token."""
    seconds: float | None = None
    tokens: int | None = None
    speed: float | None = None
    """Tokens per second after the first."""
    cut: bool = False
    """Whether the bound on tokens ended it."""
    pieces: int = 0
    """How many pieces of it a browser was sent."""


class Conversation:
    """Turns in order. No loop of its own: it belongs to whoever changes it."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._ids = itertools.count(1)

    def ask(self, text: Any, model: str) -> Turn:
        """Add a question and the turn that will hold its answer; returns that one."""
        if not isinstance(text, str) or not text.strip():
            raise InvalidRequest("What should the model be asked?", param="text")
        self.turns.append(Turn(id=next(self._ids), role="user", text=text))
        return self._answer(model)

    def edit(self, text: Any, model: str, of: Any = None) -> Turn:
        """Ask ``text`` in place of the last question, which must be the turn ``of`` where that is given."""
        if not isinstance(text, str) or not text.strip():
            raise InvalidRequest("What should the model be asked?", param="text")
        if of is not None and [turn.id for turn in self.turns[-2:-1]] != [of]:
            raise InvalidRequest("That is not the last question any more; ask it as a new one.", param="of")
        self._drop()
        return self.ask(text, model)

    def again(self, model: str) -> Turn:
        """Ask the last question once more; its answer is forgotten."""
        question = self._drop()
        return self.ask(question.text, model)

    def clear(self) -> None:
        """Forget all turns."""
        self.turns.clear()

    def messages(self, system: str = "") -> list[dict[str, Any]]:
        """What is sent: every question, with its answer if there is one. A question that got none is left
        out unless it is the last, since chat templates want the two sides to take turns."""
        sent: list[dict[str, Any]] = [{"role": "system", "content": system}] if system.strip() else []
        for question, answer in itertools.pairwise(self.turns):
            if question.role != "user":
                continue
            if answer is self.turns[-1]:
                sent.append({"role": "user", "content": question.text})
            elif answer.text:
                sent.append({"role": "user", "content": question.text})
                sent.append({"role": "assistant", "content": answer.text})
        return sent

    def text(self) -> str:
        """All turns as text, for reading."""
        return "\n\n".join(f"{_speaker(turn)}: {turn.text or turn.error or ''}" for turn in self.turns)

    def _answer(self, model: str) -> Turn:
        self.turns.append(Turn(id=next(self._ids), role="assistant", state="streaming", model=model))
        return self.turns[-1]

    def _drop(self) -> Turn:
        if len(self.turns) < 2:
            raise InvalidRequest("Nothing has been asked yet.")
        self.turns.pop()
        return self.turns.pop()


def printable(text: str) -> str:
    """``text`` without halves of surrogate pairs, which no JSON message can hold; one at the end may be half
    of what still comes, and is left out."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        text = text[:-1]
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _speaker(turn: Turn) -> str:
    return "You" if turn.role == "user" else turn.node or turn.model or "Model"
