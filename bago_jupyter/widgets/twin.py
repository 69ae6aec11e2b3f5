"""The static picture of a widget, as an output of its own in the same cell, where notebooks keep it.

JupyterLab stores the state of widgets only where "Save Widget State Automatically" is on, and shows "model
not found" in their place otherwise, whatever else their output holds; nbconvert prefers them likewise. So the
picture is an output beside the widget's. It is hidden while a live one stands in the same cell.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

INTERVAL = 120.0
"""Seconds between two pictures of a widget that changes, at least: each one makes the notebook unsaved."""

# In a notebook that is not trusted the style is gone and the picture is shown: no widget lives there. Else it
# has no height for a moment, in which the live widget appears and hides it; one that cannot appear says so in
# a line that the picture replaces.
_STYLE = """<style>
.jp-OutputArea-child:has(> * > [data-bago-twin]) { animation: bago-twin 0s 1.5s backwards; overflow: hidden; }
@keyframes bago-twin { from { max-height: 0; } }
.jp-OutputArea:has(.bago-status) .jp-OutputArea-child:has(> * > [data-bago-twin]) { display: none; }
.jp-OutputArea-child:has(> * > [data-bago-twin]) + .jp-OutputArea-child:not(:has(> .jp-OutputArea-output *)) {
  display: none;
}
</style>"""


class Twin:
    """The picture that ``html`` and ``plain`` draw, in the cell that showed it last.

    Thread-safe as far as those two are, apart from :meth:`place`.

    A message that names a cell's request as its parent belongs to that cell, also when that has ended.
    """

    def __init__(self, html: Callable[[], str], plain: Callable[[], str]):
        self._html = html
        self._plain = plain
        self._cell: tuple[Any, Any] | None = None
        self._id = ""
        self._shown: dict[str, str] = {}
        self._at = 0.0

    def complete(self, bundle: dict[str, Any]) -> None:
        """Place the picture, or else put it into ``bundle``, the widget's own output."""
        if self.place():
            bundle["text/plain"] = ""
        else:
            bundle |= {"text/plain": self._plain(), "text/html": self._html()}

    def place(self) -> bool:
        """Add the picture to the outputs of the running cell, which shows the widget now.

        ``False`` where there is none beside a live one: outside of a kernel, and in front ends that keep each
        output to itself (VS Code, Colab); the widget's own output is then to hold it.
        """
        from IPython.core.getipython import get_ipython

        publisher: Any = getattr(get_ipython(), "display_pub", None)
        apart = "VSCODE_PID" in os.environ or "google.colab" in sys.modules
        if getattr(publisher, "pub_socket", None) is None or apart:
            self._cell = None
            return False
        self._id = uuid.uuid4().hex
        publisher.publish(self._draw(), transient={"display_id": self._id})
        self._cell = publisher, publisher.parent_header
        return True

    def renew(self, *, now: bool = False) -> None:
        """Replace the picture if it has changed, at most once an :data:`INTERVAL` unless ``now`` is true."""
        if self._cell is None or not (now or time.monotonic() - self._at > INTERVAL):
            return
        old, data = self._shown, self._draw()
        if data == old:
            return
        publisher, cell = self._cell
        content = {"data": data, "metadata": {}, "transient": {"display_id": self._id}}
        publisher.session.send(
            publisher.pub_socket, "update_display_data", content, parent=cell, ident=publisher.topic
        )

    def _draw(self) -> dict[str, str]:
        self._at = time.monotonic()
        html = f"<div data-bago-twin>{_STYLE}{self._html()}</div>"
        self._shown = {"text/html": html, "text/plain": self._plain()}
        return self._shown
