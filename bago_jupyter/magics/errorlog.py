"""The last error of each cell, as text for ``{Err[n]}``."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from typing import Any

KEEP = 100
LIMIT = 6000


class ErrorLog(Mapping[int, str]):
    """Error texts by execution count, the newest :data:`KEEP`. Belongs to the thread that runs cells."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def record(self, result: Any = None) -> None:
        """The ``post_run_cell`` hook; ``result`` is IPython's ``ExecutionResult``."""
        error = getattr(result, "error_before_exec", None) or getattr(result, "error_in_exec", None)
        count = getattr(result, "execution_count", None)
        if error is None or count is None:
            return
        self._texts.pop(count, None)
        self._texts[count] = describe(error)
        while len(self._texts) > KEEP:
            del self._texts[next(iter(self._texts))]

    def __getitem__(self, count: int) -> str:
        return self._texts[count]

    def __iter__(self) -> Iterator[int]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def describe(error: BaseException) -> str:
    """The traceback from the cell on, without IPython's own frames and without colours."""
    if hasattr(error, "_render_traceback_"):
        return f"{type(error).__name__}: {error}"
    report = traceback.TracebackException.from_exception(error)
    frames = report.stack
    while frames and (
        "/IPython/" in (name := frames[0].filename.replace("\\", "/")) or "/ipykernel/" in name
    ):
        if "/ipykernel_" in name:
            break
        del frames[0]
    text = "".join(report.format()).strip()
    if len(text) > LIMIT:
        cut = len(text) - LIMIT
        text = f"{text[: LIMIT // 2]}\n... ({cut} characters cut)\n{text[-LIMIT // 2 :]}"
    return text
