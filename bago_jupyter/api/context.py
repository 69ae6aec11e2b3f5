"""What the API needs of the node that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..backends import Dispatcher, LocalBackend
from ..engines.library import Library
from ..engines.runners import Runners
from ..events import Bus
from ..relay import Pace
from ..settings import Settings
from ..state import Home
from ..wire import Status


@dataclass
class Context:
    """Parts of one node, handed to its API. Belongs to the node's loop."""

    settings: Settings
    home: Home
    library: Library
    runners: Runners
    local: LocalBackend
    dispatcher: Dispatcher
    bus: Bus
    pace: Pace
    status: Callable[[], Status]
    shut_down: Callable[[], None]
    admin_token: str = field(repr=False)
