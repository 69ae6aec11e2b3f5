"""What all widgets share: a line to the browser that a blocking cell cannot cut.

ipykernel 7.4 hands a browser's message to the (sub)shell that last *sent* on the widget's comm, and
a cell or a plain thread pins it to the main shell, where a running cell blocks it. Therefore

* the front end says ``hello`` when it renders, and again from time to time;
* the handler replies inside itself and keeps its context;
* everything that is sent later is sent through that context;
* and the noted route is forgotten after each sending, so that the browser's own choice holds, as it
  does in other versions. That alone serves the first hello, one that was sent before JupyterLab had
  its subshell, and the one after JupyterLab deleted it, which the context leads astray.

All of this rests on private routing, so it stays in this file.
"""

from __future__ import annotations

import contextvars
import difflib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from .. import loops
from ..errors import BagoError, InvalidRequest
from .twin import Twin

LEASE = 900.0
"""Seconds after which a view counts as gone unless it says hello again; a lost browser says no bye."""
_UNSEEN = "displayed"
_STATIC = Path(__file__).parent / "static"
_log = logging.getLogger(__name__)


def bundle(name: str) -> Path:
    """The built file ``name`` of this package's JavaScript."""
    path = _STATIC / name
    if not path.is_file():
        raise BagoError(f"The widget file {name} was not built; run npm ci && npm run build in js/.")
    return path


class BagoWidget(anywidget.AnyWidget):
    """Base of all widgets. :meth:`publish` and :meth:`push` belong to the background loop.

    ``state`` is what the browser shows; it is stored in saved notebooks, so it holds no secret.
    Raises :class:`TypeError` for an unknown trait.
    """

    snapshot = traitlets.Dict().tag(sync=True, to_json=lambda _value, widget: widget._state)

    def __init__(self, state: Mapping[str, Any], **traits: Any):
        _check_names(type(self), traits)
        # traitlets has no locks: the state is a plain attribute, replaced whole by one owner thread.
        self._state = dict(state)
        self._views: dict[str, float] = {}
        self._context: contextvars.Context | None = None
        self.twin = Twin(self.html, self.plain)
        super().__init__(**traits)
        self._free_route()
        self.on_msg(self._receive)

    # For subclasses.

    def watched(self) -> None:
        """A view spoke up: have :meth:`publish` called from now on. Any thread; must not block."""

    async def respond(self, kind: str, request: dict[str, Any]) -> Any:
        """Answer a request of the browser, on the background loop; a BagoError reaches it as a sentence."""
        raise InvalidRequest(f"This widget has no request {kind!r}.")

    def plain(self) -> str:
        """The state as text, for terminals."""
        return repr(self)

    def html(self) -> str:
        """The state as static HTML, for notebooks without a kernel."""
        return ""

    # The line to the browser.

    def expect(self) -> None:
        """A cell shows this widget: feed it before the first hello, which waits for the end of that cell."""
        if not self._views:
            self._views[_UNSEEN] = time.monotonic()
            self.watched()

    @property
    def live(self) -> bool:
        """Whether a browser shows this widget, as far as is known. Thread-safe."""
        oldest = time.monotonic() - LEASE
        return any(heard > oldest for heard in list(self._views.values()))

    def publish(self, state: Mapping[str, Any], *, tell: bool = True) -> None:
        """Make ``state`` the current one, and show it unless ``tell`` is false."""
        self._state = dict(state)
        if tell:
            self._send_in_context(self.send_state, "snapshot")
        self._free_route()  # a cell may have sent in the meantime
        self.twin.renew()

    def push(self, content: dict[str, Any]) -> None:
        """Send ``content`` to every view."""
        self._send_in_context(self.send, content)

    def release(self) -> None:
        """No view is left: the next hello brings a context of its own."""
        self._context = None
        self.twin.renew(now=True)

    def close(self) -> None:
        """Remove every view and end the line."""
        if hasattr(self, "_views"):  # __del__ comes here too, also when __init__ failed
            self._views.clear()
        super().close()

    def _send_in_context(self, send: Any, *arguments: Any) -> None:
        if self.comm is None:
            return
        context = self._context
        (contextvars.Context() if context is None else context.copy()).run(send, *arguments)
        self._free_route()

    def _free_route(self) -> None:
        if self.comm is not None:
            self.comm.__dict__.pop("_reply_subshell_id", None)

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        # Runs on whichever thread serves the comm; over 10 ms here would stall every widget.
        if not isinstance(content, dict):
            return
        kind, view = str(content.get("kind")), str(content.get("view"))
        if kind == "bye":
            self._views.pop(view, None)
            if not self.live:
                loops.background().loop.call_soon_threadsafe(self._release_unwatched)
            return
        self._views.pop(_UNSEEN, None)
        self._views[view] = time.monotonic()
        self.watched()
        if kind == "hello":
            self._context = contextvars.copy_context()
            self.send({"kind": "hello", "view": view})
            self.send_state("snapshot")
            self._free_route()
        elif isinstance(content.get("id"), int):
            loops.background().submit(self._answer(content["id"], kind, content))
            self.send({"kind": "taken", "request": content["id"]})  # else the page calls the kernel busy
            self._free_route()

    def _release_unwatched(self) -> None:
        if not self.live:
            self.release()

    async def _answer(self, id: int, kind: str, request: dict[str, Any]) -> None:
        try:
            reply = {"id": id, "ok": await self.respond(kind, request)}
        except BagoError as error:
            reply = {"id": id, "error": error.message, "code": error.code}
        except Exception as error:
            _log.exception("request %s of %s failed", kind, type(self).__name__)
            reply = {"id": id, "error": f"{kind} failed: {type(error).__name__}; the kernel's log has more."}
        self.push(reply)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        self.twin.complete(data)
        self.expect()
        return data, metadata


def _check_names(kind: type[BagoWidget], traits: Mapping[str, Any]) -> None:
    known = [name for name in kind.class_trait_names() if not name.startswith("_")]
    for name in traits:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise TypeError(f"{kind.__name__} has no argument {name!r}{hint}")
