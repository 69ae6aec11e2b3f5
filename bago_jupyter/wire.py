"""Messages of the management API (``/api/v1``), typed once for both of its ends.

``js/src/wire.ts`` mirrors the ones that reach a browser. Times are Unix seconds, durations
are seconds, sizes are bytes, unless a name says otherwise.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ModelState = Literal["available", "loading", "ready", "failed"]
Place = Literal["thread", "kernel", "process", "headless"]


class Message(msgspec.Struct, kw_only=True, omit_defaults=False):
    """Base of all messages: keyword-only, unknown fields ignored so that versions can differ."""


class EngineInfo(Message):
    """An inference engine and whether it can run here."""

    name: str
    version: str | None = None
    available: bool = True
    reason: str | None = None
    """Why it is not available, as a sentence that says what to do."""


class RunnerInfo(Message):
    """One runner: a child process that holds a loaded model."""

    model: str
    task: str
    """``generate``, ``embed`` or ``rerank``: llama.cpp wants a server of its own for each."""
    state: Literal["starting", "loading", "ready", "backoff", "stopping", "failed"]
    engine: str
    pid: int | None = None
    url: str | None = None
    slots: int = 0
    context_length: int = 0
    progress: float | None = None
    """Share of the load that is done, 0 to 1, where the engine tells."""
    restarts: int = 0
    error: str | None = None
    loaded_at: float | None = None


class SlotInfo(Message):
    """One slot of a runner, as the runner itself says at this moment."""

    id: int
    busy: bool
    task: str
    context_length: int = 0


class ModelInfo(Message):
    """A model of the library or of the mesh."""

    id: str
    state: ModelState
    nodes: list[str] = []
    engine: str | None = None
    format: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    quantization: str | None = None
    context_length: int | None = None
    """Tokens that the model was trained for; a runner may be loaded with fewer."""
    size: int | None = None
    digest: str | None = None
    """``sha256:...`` of the weights, once known."""
    path: str | None = None
    license: str | None = None
    tasks: list[str] = []
    error: str | None = None
    runners: list[RunnerInfo] = []


class Counts(Message):
    """Requests since the node started."""

    total: int = 0
    ok: int = 0
    failed: int = 0
    cancelled: int = 0
    in_flight: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Status(Message):
    """What the status card shows."""

    name: str
    fingerprint: str
    version: str
    pid: int
    place: Place
    started_at: float
    uptime: float
    home: str
    url: str
    """Base URL for OpenAI clients, ``http://host:port/v1``."""
    port: int
    loop: str
    api_key_required: bool = False
    engines: list[EngineInfo] = []
    accelerator: str | None = None
    library: int = 0
    runners: list[RunnerInfo] = []
    requests: Counts = msgspec.field(default_factory=Counts)
    notices: list[str] = []
    """Things the owner should know, such as a port that was taken."""


class Progress(Message):
    """One step of a long job (a pull or a load), sent as an SSE event."""

    stage: str
    """A verb for people: ``downloading``, ``checking``, ``loading``..."""
    done: float = 0
    total: float | None = None
    unit: str = "B"
    message: str | None = None


class Failure(Message):
    """The end of a job that failed; the same fields as the OpenAI error object."""

    message: str
    type: str = "server_error"
    code: str = "internal_error"
    param: str | None = None


class JobEvent(Message):
    """One SSE event of a job: exactly one field is set, and ``model`` or ``error`` is the last."""

    progress: Progress | None = None
    model: ModelInfo | None = None
    error: Failure | None = None


class LoadRequest(Message, forbid_unknown_fields=True):
    """Load a model of the library; ``None`` means what the settings say."""

    model: str
    task: Literal["generate", "embed", "rerank"] = "generate"
    context_length: int | None = None
    gpu_layers: int | None = None
    slots: int | None = None


class UnloadRequest(Message, forbid_unknown_fields=True):
    """Unload every runner of a model."""

    model: str


class PullRequest(Message, forbid_unknown_fields=True):
    """Bring a model into the library: a starter's name, a path, a URL or ``hf:org/repo/file``."""

    source: str
    name: str | None = None
    sha256: str | None = None


class Rejection(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A candidate that a hard gate ruled out."""

    backend: str
    node: str
    gate: str
    reason: str


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A candidate that passed every gate, with what the policy thought of it (lower is better)."""

    backend: str
    node: str
    model: str
    """The name under which that backend knows the model."""
    score: float
    state: str
    in_flight: int
    """Requests there when the decision was made."""
    slots: int
    speed: float
    """Tokens per second that one request gets there."""
    latency: float
    priority: int


class Attempt(Message, gc=False):
    """One try of a request at one backend."""

    backend: str
    node: str
    started: float
    """Seconds after the request arrived."""
    headers: float | None = None
    first_byte: float | None = None
    ended: float | None = None
    status: int | None = None
    outcome: str = "open"
    """``ok``, ``cancelled``, or the cause of the failure."""


class Decision(Message, gc=False):
    """Why a request went where it went; kept in a ring buffer and shown by ``%bago why``."""

    id: str
    at: float
    model: str
    dialect: str
    stream: bool
    caller: str
    policy: str
    candidates: list[Candidate] = []
    rejections: list[Rejection] = []
    attempts: list[Attempt] = []
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    status: int | None = None
    outcome: str = "open"
    seconds: float | None = None


class Turn(Message):
    """A change of a paired node's state."""

    at: float
    state: str
    reason: str


class NodeInfo(Message):
    """Another node: discovered, paired, or both."""

    fingerprint: str
    name: str
    addresses: list[str] = []
    """``host:port``, the one in use or the best first."""
    version: str | None = None
    engines: list[str] | None = None
    accelerator: str | None = None
    model_count: int | None = None
    """Models in its library, as it announces."""
    age: float | None = None
    """Seconds since its last announcement."""
    paired: bool = False
    via: str | None = None
    state: Literal["online", "offline", "unknown"] = "unknown"
    reason: str | None = None
    latency: float | None = None
    models: list[ModelInfo] = []
    priority: int = 0
    weight: float = 1.0
    max_load_percent: int = 100
    in_routing: bool = True
    allow_control: bool = False
    history: list[Turn] = []


class NodeSettings(Message, forbid_unknown_fields=True):
    """What the owner may change of a paired node; ``None`` leaves it."""

    priority: int | None = None
    weight: float | None = None
    max_load_percent: int | None = None
    in_routing: bool | None = None
    allow_control: bool | None = None


class Ping(Message):
    """A probe of a paired node."""

    latency: float
    address: str | None = None


class KeyWanted(Message, forbid_unknown_fields=True):
    """Make a connection key; ``None`` means the default."""

    ttl: float | None = None
    name: str | None = None
    interface: str | None = None


class KeyInfo(Message):
    """A connection key that was given out; ``text`` and ``qr`` only in the answer that makes it."""

    id: str
    state: Literal["open", "used", "revoked", "expired"]
    created: float
    expires: float
    name: str
    addresses: list[str] = []
    used_by: str | None = None
    text: str | None = None
    qr_svg: str | None = None
    qr_text: str | None = None

    def __repr__(self) -> str:
        return f"KeyInfo({self.id}, {self.state})"


class ConnectRequest(Message, forbid_unknown_fields=True):
    """Pair by a connection key."""

    key: str

    def __repr__(self) -> str:
        return "ConnectRequest(***)"


class RequestWanted(Message, forbid_unknown_fields=True):
    """Ask a discovered node (name, fingerprint, or the fingerprint's first digits) for a connection."""

    node: str


class RequestInfo(Message):
    """A request for a connection, ours or another node's."""

    id: str
    direction: Literal["incoming", "outgoing"]
    name: str
    fingerprint: str
    code: str
    """The match code: both owners must see the same."""
    state: str
    since: float
    address: str | None = None


class SharingWanted(Message, forbid_unknown_fields=True):
    """Whether peers may use a model of this node."""

    model: str
    shared: bool


class NodeFile(Message):
    """``node.json``: how to reach the node of a home. Mode 0600, since it holds the admin token."""

    pid: int
    host: str
    port: int
    started_at: float
    place: Place
    version: str
    fingerprint: str
    admin_token: str
    api_key: str | None = None

    def __repr__(self) -> str:
        return f"NodeFile(pid={self.pid}, {self.host}:{self.port}, {self.place})"
