"""What completion knows without asking: refreshed in the background, never waited for."""

from __future__ import annotations

import threading
import time

STARTERS = ("smollm2", "gemma3")
STALE = 10.0
"""Seconds after which a completion asks for a refresh."""


class Known:
    """Model ids of the node. Thread-safe: one reference is replaced as a whole."""

    def __init__(self) -> None:
        self.models: tuple[str, ...] = ()
        self._at = float("-inf")
        self._busy = threading.Lock()

    def refresh(self, older_than: float = 0.0) -> None:
        """Ask the node in a thread of its own, unless one is at it or the answer is fresh enough."""
        if time.monotonic() - self._at < older_than or not self._busy.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._fetch, name="bago-known", daemon=True).start()
        except RuntimeError:  # no thread is to be had, as at the end of the interpreter
            self._busy.release()

    def _fetch(self) -> None:
        try:
            from .. import launch

            self.models = tuple(model.id for model in launch.node().models())
        except Exception:
            self.models = ()  # no node, no models: a completion has nobody to tell more
        finally:
            self._at = time.monotonic()
            self._busy.release()
