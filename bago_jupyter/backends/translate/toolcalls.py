"""The pieces of several tool calls, which may come interleaved, put one call after the other."""

from __future__ import annotations

import msgspec

from ...errors import UpstreamFailed
from .shapes import ToolCall


class Call:
    """One tool call that is coming."""

    __slots__ = ("begun", "finished", "id", "name", "parts", "waiting")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.begun = False
        """Whether the client knows of it."""
        self.finished = False
        self.parts: list[str] = []
        """Its arguments so far."""
        self.waiting: list[str] = []
        """Those of them that the client has not been told yet."""

    @property
    def whole(self) -> bool:
        """Whether its arguments are complete."""
        try:
            msgspec.json.decode("".join(self.parts))
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class Calls:
    """Says which pieces can be told now: those of the first unfinished call, while others wait.

    A call is known to be finished when another begins and its arguments are whole; so calls that come one
    after the other, as they nearly always do, are told as they come.
    """

    def __init__(self) -> None:
        self.any = False
        """Whether there was any call that has a name."""
        self.nameless = False
        """Whether there was any that has none."""
        self._by_index: dict[int, Call] = {}
        self._queue: list[Call] = []
        """Calls that are not finished, in the order of their beginning; the first one is being told."""

    def feed(self, piece: ToolCall) -> list[tuple[Call, str]]:
        """Take a piece; the arguments to tell now. Raises :class:`UpstreamFailed`."""
        call, told = self._find(piece)
        function = piece.function
        if function is not None:
            call.name = call.name or function.name
            if function.arguments:
                if call.finished:
                    raise UpstreamFailed("The backend's stream goes on with a tool call that was whole.")
                call.parts.append(function.arguments)
                call.waiting.append(function.arguments)
        return told + self._told()

    def flush(self, *, said: bool = False) -> list[tuple[Call, str]]:
        """Finish all calls; the arguments that remained to tell. One without a name is left out where
        something was ``said`` that would be lost. Raises :class:`UpstreamFailed`."""
        told: list[tuple[Call, str]] = []
        while self._queue:
            call = self._queue[0]
            if not call.name and call.parts:
                self.nameless = True
                if said:
                    self._queue.pop(0).finished = True
                    continue
                raise UpstreamFailed("The backend's stream calls a tool without a name.")
            told += self._told()
            self._queue.pop(0).finished = True
        return told

    def _find(self, piece: ToolCall) -> tuple[Call, list[tuple[Call, str]]]:
        index = piece.index or 0
        call = self._by_index.get(index)
        # some servers give every call the same index, or none
        if call is not None and not (piece.id and call.id and piece.id != call.id):
            call.id = call.id or piece.id
            return call, []
        told: list[tuple[Call, str]] = []
        while self._queue and self._queue[0].name and self._queue[0].whole:
            told += self._told()
            self._queue.pop(0).finished = True
        call = self._by_index[index] = Call()
        call.id = piece.id
        self._queue.append(call)
        return call, told

    def _told(self) -> list[tuple[Call, str]]:
        call = self._queue[0] if self._queue else None
        if call is None or not call.name or (call.begun and not call.waiting):
            return []
        call.begun = self.any = True
        arguments, call.waiting = "".join(call.waiting), []
        return [(call, arguments)]
