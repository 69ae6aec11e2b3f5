"""Discovery of nodes by mDNS, and presence of paired ones by unicast probes."""

from .addresses import Address, local, rank
from .presence import Presence, Transition
from .record import Announcement, BadRecord
from .registry import Change, Discovered, Registry

__all__ = [
    "Address",
    "Announcement",
    "BadRecord",
    "Change",
    "Discovered",
    "Presence",
    "Registry",
    "Transition",
    "local",
    "rank",
]
