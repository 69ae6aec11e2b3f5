"""``bago.ui()``: all views of a node in tabs, or one of them alone."""

from __future__ import annotations

import difflib
import functools
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import InvalidRequest

if TYPE_CHECKING:
    from .client import NodeClient

TABS = {
    "nodes": "NodesView",
    "mesh": "MeshView",
    "models": "ModelsView",
    "playground": "Playground",
    "dashboard": "DashboardView",
    "settings": "SettingsView",
}
"""The names of the tabs, in order, and what each shows."""


def ui(tab: str | None = None, client: NodeClient | None = None) -> Any:
    """The views of a node, the running one without ``client``, in tabs, which are marimo's own there; or that
    of one ``tab`` alone.

    Raises :class:`InvalidRequest` for a tab that is none, and :class:`BagoError` where no node runs.
    """
    if client is None:
        from . import launch

        client = launch.node()
    if tab is not None:
        return _view(tab, client)
    views = {name.capitalize(): _view(name, client) for name in TABS}
    marimo: Any = sys.modules.get("marimo")
    if marimo is not None and marimo.running_in_notebook():  # which shows anywidgets, but no other ipywidgets
        return marimo.ui.tabs({title: marimo.ui.anywidget(view) for title, view in views.items()})
    return _tabs()(list(views.values()), titles=tuple(views))


@functools.cache
def _tabs() -> Any:
    """The class, made when it is first used: ipywidgets takes a while to import."""
    import ipywidgets

    from .widgets.twin import Twin

    class Tabs(ipywidgets.Tab):  # type: ignore[misc]
        """Tabs that say in terminals and exported notebooks what is in them."""

        def _repr_mimebundle_(self, **kwargs: Any) -> Any:
            bundle = super()._repr_mimebundle_(**kwargs)
            if bundle is None:
                return None
            twin = Twin(self._html, self._plain)
            twin.complete(bundle)
            for child in self.children:
                child.twin = twin
                child.expect()
            return bundle

        def _plain(self) -> str:
            return "\n\n".join(child.plain() for child in self.children)

        def _html(self) -> str:
            return "".join(child.html() for child in self.children)

    return Tabs


def _view(tab: str, client: NodeClient) -> Any:
    name = tab.lower()
    if name not in TABS:
        near = difflib.get_close_matches(name, TABS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(TABS)}."
        raise InvalidRequest(f"There is no tab {tab!r}; {hint}", param="tab")
    return getattr(import_module("bago_jupyter.widgets"), TABS[name])(client)
