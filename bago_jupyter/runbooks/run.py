"""Executes a notebook in a real kernel and prints what it shows while it shows it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, TextIO

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from ..errors import BagoError, InvalidRequest

PROMPT, DIM, END = "\x1b[32m", "\x1b[2m", "\x1b[0m"
CELL_TIMEOUT = 1800
"""Seconds that one cell may take."""


def run(path: Path, *, save_to: Path | None = None, out: TextIO | None = None) -> int:
    """Run the notebook at ``path`` from its own folder; return 0, or 1 if a cell failed.

    The executed notebook is written to ``save_to``, also when a cell failed. Raises
    :class:`InvalidRequest` when ``path`` is no notebook. Belongs to the main thread.
    """
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except FileNotFoundError:
        raise InvalidRequest(f"There is no notebook {path}.") from None
    except Exception as error:  # nbformat raises several unrelated kinds
        reason = str(error).splitlines()[0]
        raise InvalidRequest(f"{path} is not a notebook: {reason}") from None
    client = _PrintingClient(notebook, out or sys.stdout, str(path.parent))
    try:
        asyncio.run(client.async_execute())
    except CellExecutionError:
        return 1
    except (DeadKernelError, NoSuchKernel) as error:
        raise BagoError(f"The kernel of {path.name} cannot go on: {error}") from None
    finally:
        if save_to is not None:
            nbformat.write(notebook, save_to)  # type: ignore[no-untyped-call]
    return 0


class _PrintingClient(NotebookClient):
    """Prints sources and outputs; an output that changes in place prints only what is new in it."""

    def __init__(self, notebook: Any, out: TextIO, folder: str):
        super().__init__(notebook, timeout=CELL_TIMEOUT, resources={"metadata": {"path": folder}})
        self._out = out
        self._colour = out.isatty()
        self._shown: dict[str, str] = {}
        self._fresh = True
        self.on_cell_execute = self._show_source

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            self._write(content["text"])
        elif kind in ("display_data", "update_display_data", "execute_result"):
            self._show(content)
        elif kind == "error":
            self._line("\n".join(content["traceback"]))
        return super().process_message(msg, cell, cell_index)

    def _show_source(self, cell: Any, cell_index: int) -> None:
        self._end_line()
        lines = cell.source.splitlines()
        marked = [(">>> " if number == 0 else "... ") + line for number, line in enumerate(lines)]
        self._line("\n" + self._paint(PROMPT, "\n".join(marked)))

    def _show(self, content: Any) -> None:
        data = content["data"]
        text = data.get("text/plain", "")
        text = text if isinstance(text, str) else "".join(text)
        id = content.get("transient", {}).get("display_id")
        before = self._shown.get(id, "") if id else ""
        if id:
            self._shown[id] = text
        if before and text.startswith(before):
            self._write(text[len(before) :])
            return
        self._end_line()
        if "text/markdown" in data or id:
            self._write(text)
        elif text:
            self._line(self._paint(DIM, text) if "text/html" in data else text)

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{END}" if self._colour else text

    def _line(self, text: str) -> None:
        self._end_line()
        self._write(text if text.endswith("\n") else text + "\n")

    def _end_line(self) -> None:
        if not self._fresh:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._fresh = text.endswith("\n")
