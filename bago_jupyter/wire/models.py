"""Models, engines, runners, and the jobs that bring and load them."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from .base import Message

ModelState = Literal["available", "loading", "ready", "failed", "unsupported"]
"""``unsupported``: a whole model that no engine of this node runs."""


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
    chat: bool = True
    """Whether it was made to chat: it has a chat template. Another completes text."""
    error: str | None = None
    other: str | None = None
    """Why it is another model, by its weights, than its id stands for here; it is asked as ``node/id``."""
    runners: list[RunnerInfo] = []


class Progress(Message):
    """One step of a long job (a pull or a load), sent as an SSE event."""

    stage: str
    """A verb for people: ``downloading``, ``checking``, ``loading``..."""
    done: float = 0
    total: float | None = None
    unit: str = "B"
    message: str | None = None


class PullInfo(Message):
    """A pull into a node's library, whoever began it."""

    id: str
    source: str
    """As :func:`public_source` shows it."""
    by: str
    """The caller, as in a decision: ``notebook:NAME``, ``cli``, ``peer:NAME``, ``local``."""
    name: str | None = None
    """The id that was wanted for the model, if one was."""
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    progress: Progress | None = None
    model: str | None = None
    """The model's id, once it is there."""
    error: str | None = None


def public_source(source: str) -> str:
    """What a pull's ``source`` is shown as: without what may be secret in a URL (user, query, fragment), and
    without the folders of a path."""
    source = source.strip()
    if not source.lower().startswith(("http://", "https://", "hf:")):
        return source.replace("\\", "/").rstrip("/").rpartition("/")[2]
    try:
        parts = urlsplit(source)
    except ValueError:
        return "the URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


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


class JoinRequest(Message, forbid_unknown_fields=True):
    """Make weights of one name one model; without ``digests`` they are told apart again."""

    model: str
    digests: list[str] = []
    """Each as a digest, or the first digits of one."""


class JoinInfo(Message):
    """Weights that are one model here."""

    model: str
    digests: list[str]
    """Those that were joined, in full; none where they are told apart."""


class UnloadRequest(Message, forbid_unknown_fields=True):
    """Unload every runner of a model."""

    model: str


class PullRequest(Message, forbid_unknown_fields=True):
    """Bring a model into the library: a starter's name, a path, a URL or ``hf:org/repo/file``."""

    source: str
    name: str | None = None
    sha256: str | None = None
