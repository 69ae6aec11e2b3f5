"""Messages of the management API (``/api/v1``), typed once for both of its ends.

``js/src/wire.ts`` mirrors the ones that reach a browser. Times are Unix seconds, durations
are seconds, sizes are bytes, unless a name says otherwise.
"""

from .base import Message
from .models import (
    EngineInfo,
    Failure,
    JobEvent,
    LoadRequest,
    ModelInfo,
    ModelState,
    Progress,
    PullRequest,
    RunnerInfo,
    SlotInfo,
    UnloadRequest,
)
from .nodes import (
    ConnectRequest,
    KeyInfo,
    KeyWanted,
    NodeInfo,
    NodeSettings,
    Ping,
    RequestInfo,
    RequestWanted,
    SharingWanted,
    Turn,
)
from .routing import Attempt, Candidate, Decision, Rejection
from .status import Counts, NodeFile, Place, Status

__all__ = [
    "Attempt",
    "Candidate",
    "ConnectRequest",
    "Counts",
    "Decision",
    "EngineInfo",
    "Failure",
    "JobEvent",
    "KeyInfo",
    "KeyWanted",
    "LoadRequest",
    "Message",
    "ModelInfo",
    "ModelState",
    "NodeFile",
    "NodeInfo",
    "NodeSettings",
    "Ping",
    "Place",
    "Progress",
    "PullRequest",
    "Rejection",
    "RequestInfo",
    "RequestWanted",
    "RunnerInfo",
    "SharingWanted",
    "SlotInfo",
    "Status",
    "Turn",
    "UnloadRequest",
]
