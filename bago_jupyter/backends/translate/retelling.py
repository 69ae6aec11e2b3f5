"""What both translations of a stream have in common."""

from __future__ import annotations

import msgspec

from ...errors import UpstreamFailed
from ...sse import Event, Events, TooLong

CUT = "The backend ended its stream in the middle of the answer."
UNREADABLE = "The backend sent an event that cannot be read."


class Retelling:
    """Takes the backend's bytes, gives the client's. Pure; for one stream, by one task.

    When the stream turns out to be broken, :attr:`failure` is set, and nothing follows.
    """

    def __init__(self) -> None:
        self.failure: UpstreamFailed | None = None
        self._events = Events()
        self._over = False
        """Whether the last word was given."""

    def feed(self, chunk: bytes) -> bytes:
        """What the client gets for ``chunk``, which may be nothing yet."""
        if self._over or self.failure is not None:
            return b""
        try:
            events = self._events.feed(chunk)
        except TooLong:
            self.failure = UpstreamFailed("The backend sent an event that is too long.")
            return b""
        return self._tell(events)

    def end(self) -> bytes:
        """What the client gets once the backend's body has ended."""
        if self._over or self.failure is not None:
            return b""
        out = self._tell(self._events.end())
        if not self._over and self.failure is None:
            last: list[bytes] = []
            try:
                self._over = self._finish(last)
            except UpstreamFailed as failure:
                self.failure = failure
                return out
            if self._over:
                out += b"".join(last)
            else:
                self.failure = UpstreamFailed(CUT, cause="broken")
        return out

    def _tell(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        try:
            for event in events:
                self._take(event, out)
                if self._over:
                    break
        except UpstreamFailed as failure:
            self.failure = failure
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.failure = UpstreamFailed(UNREADABLE)
        return b"".join(out)

    def _take(self, event: Event, out: list[bytes]) -> None:
        """Translate one event, and set :attr:`_over` after the last. Raises :class:`UpstreamFailed`."""
        raise NotImplementedError

    def _finish(self, out: list[bytes]) -> bool:
        """Say the last words where the backend left them out; false if the answer is not whole."""
        raise NotImplementedError
