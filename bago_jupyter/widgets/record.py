"""An output below a widget, which is stored with the notebook like that of any cell.

JupyterLab stores the state of widgets only where "Save Widget State Automatically" is on, and then in the
notebook's metadata, where GitHub, nbconvert without a network and most people do not look.
"""

from __future__ import annotations

import uuid
from typing import Any


class Record:
    """What is kept in the cell in which the widget was shown last. Thread-safe, apart from :meth:`place`.

    A message that names a cell's request as its parent belongs to that cell, also when that has ended.
    Outside of a kernel nothing happens.
    """

    def __init__(self) -> None:
        self._cell: tuple[Any, Any] | None = None
        self._id: str | None = None

    def place(self) -> None:
        """The running cell shows the widget now; its outputs are new. Call it in that cell."""
        from IPython.core.getipython import get_ipython

        publisher: Any = getattr(get_ipython(), "display_pub", None)
        if getattr(publisher, "pub_socket", None) is not None:
            self._cell, self._id = (publisher, publisher.parent_header), None

    def show(self, html: str, plain: str) -> None:
        """Show this below the widget, in place of what was there before; empty texts take it away."""
        if self._cell is None or not (html or self._id):
            return
        publisher, cell = self._cell
        kind = "update_display_data" if self._id else "display_data"
        self._id = self._id or uuid.uuid4().hex
        content = {
            "data": {"text/html": html, "text/plain": plain},
            "metadata": {},
            "transient": {"display_id": self._id},
        }
        publisher.session.send(publisher.pub_socket, kind, content, parent=cell, ident=publisher.topic)
