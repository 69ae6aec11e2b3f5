"""What the API needs of the node that it belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ..backends import Dispatcher, LocalBackend
from ..backends.joined import Joined
from ..backends.routes import Routes
from ..connections import Connections
from ..engines.library import Library
from ..engines.pulls import Pulls
from ..engines.runners import Runners
from ..events import Bus
from ..mesh import Mesh
from ..pace import Pace
from ..resources import Meter
from ..settings import Settings
from ..state import Home
from ..statistics import Statistics
from ..trust.apikeys import ApiKeys
from ..wire import Status


@dataclass
class Context:
    """Parts of one node, handed to its API. Belongs to the node's loop."""

    settings: Settings
    home: Home
    library: Library
    pulls: Pulls
    runners: Runners
    local: LocalBackend
    dispatcher: Dispatcher
    mesh: Mesh
    connections: Connections
    routes: Routes
    joined: Joined
    api_keys: ApiKeys
    statistics: Statistics
    bus: Bus
    pace: Pace
    meter: Meter
    status: Callable[[], Status]
    drain: Callable[[bool], Awaitable[None]]
    shut_down: Callable[[], None]
    configure: Callable[[dict[str, Any]], Awaitable[None]]
    """Change settings live. Raises ``SettingsError``."""
    admin_token: str = field(repr=False)
