"""A progress bar for pulls and loads: one output that changes in a kernel, tqdm in a terminal."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ..wire import Progress
from .quiet import Interrupted
from .show import Bundle, Screen, dim, seconds, size

RATE = 10.0
_WIDTH = 30
_SHARE = "{desc}: {percentage:3.0f}%|{bar}|"
"""A stage without a unit counts from 0 to 1: only the share means something."""


class Bar(Protocol):
    """Shows steps of a job."""

    def step(self, progress: Progress) -> None:
        """Show how far the job is."""

    def end(self, text: str) -> None:
        """Leave only ``text``."""


@contextmanager
def progress_bar(screen: Screen, kept: str) -> Iterator[Bar]:
    """A bar for one job; an interrupt ends it with one line that says what is ``kept``."""
    bar: Bar = _KernelBar(screen) if screen.rich else _TerminalBar(screen)
    try:
        yield bar
    except KeyboardInterrupt:
        bar.end("")
        raise Interrupted(f"interrupted; {kept}") from None
    except BaseException:
        bar.end("")
        raise


class _KernelBar:
    def __init__(self, screen: Screen) -> None:
        self._live = screen.live(RATE)
        self._started = time.monotonic()
        self._stage = ""
        self._used = False

    def step(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self._stage, self._started = progress.stage, time.monotonic()
        elif not self._live.due():
            return
        self._used = True
        self._live.update(bundle(progress, time.monotonic() - self._started))

    def end(self, text: str) -> None:
        if text or self._used:
            self._live.update(dim(text) if text else {"text/plain": "", "text/html": ""})


class _TerminalBar:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._bar: Any = None
        self._stage = ""

    def step(self, progress: Progress) -> None:
        from tqdm import tqdm

        if progress.stage != self._stage or self._bar is None:
            self._close()
            self._stage = progress.stage
            scaled = progress.unit == "B"
            self._bar = tqdm(
                desc=progress.stage,
                unit=progress.unit,
                unit_scale=scaled,
                leave=False,
                bar_format=None if progress.unit else _SHARE,
            )
        self._bar.total, self._bar.n = progress.total, progress.done
        self._bar.update(0)

    def end(self, text: str) -> None:
        self._close()
        if text:
            self._screen.dim(text)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def bundle(progress: Progress, elapsed: float) -> Bundle:
    """A bar as a bundle, after ``elapsed`` seconds of its stage."""
    done, total = progress.done, progress.total
    counted = size if progress.unit == "B" else lambda count: f"{count:g} {progress.unit}".strip()
    facts = (
        [counted(done) + (f" of {counted(total)}" if total else "")]
        if progress.unit and (done or total)
        else []
    )
    if progress.unit == "B" and elapsed > 0.5 and done:
        speed = done / elapsed
        facts.append(f"{size(speed)}/s")
        if total and total > done:
            facts.append(f"{seconds((total - done) / speed)} left")
    if progress.message:
        facts.append(progress.message)
    share = min(done / total, 1.0) if total else None
    text = " · ".join([progress.stage, *facts])
    filled = int(_WIDTH * share) if share is not None else 0
    drawn = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {share:4.0%} " if share is not None else ""
    value = f' value="{share:.4f}"' if share is not None else ""
    meter = f'<progress{value} style="width:16em;vertical-align:middle"></progress>'
    return {"text/plain": drawn + text, "text/html": f"<div>{meter} {html.escape(text)}</div>"}
