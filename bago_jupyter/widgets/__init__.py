"""Live views of a node for Jupyter; importing this package costs nothing until one is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import BagoWidget
    from .dashboard import DashboardView
    from .key import KeyCard
    from .live import LiveView
    from .mesh import MeshView
    from .models import ModelsView
    from .nodes import NodesView
    from .playground import Playground
    from .settings import SettingsView
    from .status import StatusCard

__all__ = [
    "BagoWidget",
    "DashboardView",
    "KeyCard",
    "LiveView",
    "MeshView",
    "ModelsView",
    "NodesView",
    "Playground",
    "SettingsView",
    "StatusCard",
]

_HOMES = {
    "BagoWidget": "base",
    "DashboardView": "dashboard",
    "KeyCard": "key",
    "LiveView": "live",
    "MeshView": "mesh",
    "ModelsView": "models",
    "NodesView": "nodes",
    "Playground": "playground",
    "SettingsView": "settings",
    "StatusCard": "status",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
