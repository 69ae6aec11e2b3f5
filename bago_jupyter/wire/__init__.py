"""Messages of the management API (``/api/v1``), typed once for both of its ends.

``js/src/wire.ts`` mirrors the ones that reach a browser. Times are Unix seconds, durations
are seconds, sizes are bytes, unless a name says otherwise.
"""

from .apikeys import ApiKeyInfo, ApiKeyWanted
from .base import Message
from .connections import (
    ConnectionInfo,
    ConnectionModel,
    ConnectionSettings,
    ConnectionType,
    ConnectionWanted,
    Hop,
    Selection,
    Toggle,
)
from .models import (
    EngineInfo,
    Failure,
    JobEvent,
    JoinInfo,
    JoinRequest,
    LoadRequest,
    ModelInfo,
    ModelState,
    Progress,
    PullInfo,
    PullRequest,
    RunnerInfo,
    SlotInfo,
    UnloadRequest,
    public_source,
)
from .nodes import (
    ConnectRequest,
    KeyInfo,
    KeyWanted,
    ModelSharing,
    NodeInfo,
    NodeSettings,
    Ping,
    RequestInfo,
    RequestWanted,
    SharingWanted,
    Turn,
)
from .numbers import LONGEST_CONTEXT, moment, whole
from .resources import GpuInfo, Resources
from .routes import RouteInfo, RouteWanted
from .routing import Attempt, Candidate, Decision, Outcome, Rejection, Verdict
from .stats import StatsRow, StatsSeries
from .status import Counts, Drain, NodeFile, Place, Status
from .topology import Condition, Rank, Topology, TopologyEdge, TopologyNode

__all__ = [
    "LONGEST_CONTEXT",
    "ApiKeyInfo",
    "ApiKeyWanted",
    "Attempt",
    "Candidate",
    "Condition",
    "ConnectRequest",
    "ConnectionInfo",
    "ConnectionModel",
    "ConnectionSettings",
    "ConnectionType",
    "ConnectionWanted",
    "Counts",
    "Decision",
    "Drain",
    "EngineInfo",
    "Failure",
    "GpuInfo",
    "Hop",
    "JobEvent",
    "JoinInfo",
    "JoinRequest",
    "KeyInfo",
    "KeyWanted",
    "LoadRequest",
    "Message",
    "ModelInfo",
    "ModelSharing",
    "ModelState",
    "NodeFile",
    "NodeInfo",
    "NodeSettings",
    "Outcome",
    "Ping",
    "Place",
    "Progress",
    "PullInfo",
    "PullRequest",
    "Rank",
    "Rejection",
    "RequestInfo",
    "RequestWanted",
    "Resources",
    "RouteInfo",
    "RouteWanted",
    "RunnerInfo",
    "Selection",
    "SharingWanted",
    "SlotInfo",
    "StatsRow",
    "StatsSeries",
    "Status",
    "Toggle",
    "Topology",
    "TopologyEdge",
    "TopologyNode",
    "Turn",
    "UnloadRequest",
    "Verdict",
    "moment",
    "public_source",
    "whole",
]
