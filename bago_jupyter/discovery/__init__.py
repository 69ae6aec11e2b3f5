"""Discovery of nodes by mDNS, and presence of paired ones by unicast probes.

:class:`~.mdns.Discovery` is not imported here: it brings zeroconf, which takes 0.1 s.
"""

from .addresses import Address, local, rank, recent
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
    "recent",
]
