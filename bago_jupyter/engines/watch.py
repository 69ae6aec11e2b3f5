"""Tells when something below a folder changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from ..state import make_folder
from .scan import folders

log = logging.getLogger("bago.library")

STEP = 100
DEBOUNCE = 400
"""Milliseconds: a change is told after ``STEP`` of quiet, and after ``DEBOUNCE`` at the latest."""
LOOK = 1000
"""Milliseconds of quiet after which the folder itself is looked at: a watch does not survive its removal."""


class Watch:
    """Calls ``changed`` from a daemon thread of its own until stopped."""

    def __init__(self, root: Path, changed: Callable[[], None]):
        self._root = root
        self._changed = changed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bago-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it does within ``STEP``."""
        self._stop.set()

    def _run(self) -> None:
        polling = False
        while not self._stop.is_set():
            try:
                make_folder(self._root)
                self._watch(polling)
            except FileNotFoundError:  # a folder went away before it was watched
                self._stop.wait(STEP / 1000)
            except (OSError, RuntimeError) as error:
                # inotify instances are few and shared by all programs of a user
                if not polling:
                    log.info(
                        "Watching %s by polling, since the system refused a watch: %s", self._root, error
                    )
                polling = True
                self._stop.wait(1.0)

    def _watch(self, polling: bool) -> None:
        """Watch until told to stop, or until the folder, or those below it, are others.

        Each folder is watched by itself, and only those that are looked into: a recursive watch would follow
        links as far as they lead.
        """
        import watchfiles

        identity, watched = _identity(self._root), folders(self._root)
        changes = watchfiles.watch(
            *filter(_is_text, watched),
            recursive=False,
            ignore_permission_denied=True,
            watch_filter=None,
            debounce=DEBOUNCE,
            step=STEP,
            stop_event=self._stop,
            rust_timeout=LOOK,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=polling or None,
        )
        # what happens while a watch is being set up, on the folder or on a new one below it, is missed:
        # every change, and the start, is therefore followed by one more call in the quiet after it
        again = True
        for batch in changes:
            if batch or again:
                self._changed()
                if folders(self._root) != watched:
                    return
            again = bool(batch)
            if _identity(self._root) != identity:
                self._changed()
                return


def _is_text(path: Path) -> bool:
    """Whether a folder can be named to the watcher; in one whose name is no UTF-8 nothing is usable."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
