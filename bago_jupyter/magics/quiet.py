"""Errors that a cell shows as one line: the cell counts as failed, and no traceback is drawn.

IPython asks an exception for ``_render_traceback_`` before it formats one. A plain
``IPython.core.error.UsageError`` would not do: a notebook that runs headless stores no error
output for it, and repeats the traceback of whatever failed before.
"""

from __future__ import annotations

from ..errors import BagoError, InvalidRequest

RED, DIM, END = "\x1b[31m", "\x1b[2m", "\x1b[0m"


class Usage(InvalidRequest):
    """The line of a magic cannot be understood as it stands."""


class Interrupted(KeyboardInterrupt):
    """A verb was interrupted; ``str()`` says what is kept.

    It is raised on, rather than swallowed, so that the kernel drops the cells that wait behind
    this one: with "Run All" an interrupt then stops the run, as it does for any other cell.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{DIM}{self}{END}"]


def one_line(error: BagoError) -> BagoError:
    """``error`` itself, told to show as one line; its type stays, so that code can catch it."""
    text = " ".join(error.message.split())
    setattr(error, "_render_traceback_", lambda: [f"{RED}bago:{END} {text}"])  # noqa: B010
    return error
