"""bago_jupyter: a Jupyter kernel as a node of a peer-to-peer LLM mesh.

``%load_ext bago_jupyter`` brings the magics, ``import bago_jupyter as bago`` the same in Python.
Names are imported when they are first used, so that loading the extension costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .client import AsyncNodeClient as AsyncNodeClient
    from .client import NodeClient as NodeClient
    from .core import Node as Node
    from .errors import BagoError as BagoError
    from .graph import to_ipycytoscape as to_ipycytoscape
    from .graph import topology as topology
    from .launch import down as down
    from .launch import node as node
    from .launch import up as up
    from .settings import Settings as Settings
    from .tabs import ui as ui

_HOMES = {
    "AsyncNodeClient": "client",
    "BagoError": "errors",
    "Node": "core",
    "NodeClient": "client",
    "Settings": "settings",
    "down": "launch",
    "node": "launch",
    "to_ipycytoscape": "graph",
    "topology": "graph",
    "ui": "tabs",
    "up": "launch",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(ip: Any) -> None:
    """Called by ``%load_ext bago_jupyter``."""
    from . import magics

    magics.load(ip)


def unload_ipython_extension(ip: Any) -> None:
    """Called by ``%unload_ext bago_jupyter``; a running node goes on."""
    from . import magics

    magics.unload(ip)
