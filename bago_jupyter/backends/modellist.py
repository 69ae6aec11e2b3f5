"""Lists of models as servers give them: OpenAI's, Anthropic's, and what else they tell of a model."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from ..errors import UpstreamFailed
from ..router.shape import Task
from ..wire import LONGEST_CONTEXT, moment
from .http import Found

MAX_NAME = 512
MOST_MODELS = 10_000
"""Models of one list; the rest is left out, so that no server can drown the catalogue."""
MOST_BYTES = 16 * 1024 * 1024
"""Of a list."""
_CONTEXTS = (
    ("max_model_len",),  # vLLM, SGLang
    ("context_length",),
    ("context_window",),
    ("max_input_tokens",),
    ("meta", "n_ctx"),  # llama-server
    ("metadata", "max_request_context_length"),  # Ray Serve LLM
    ("rayllm_metadata", "max_request_context_length"),  # and before 2.44
)
_TASKS: dict[str, Task] = {
    "chat": "generate",
    "completion": "generate",
    "completions": "generate",
    "completion_chat": "generate",
    "generate": "generate",
    "language": "generate",
    "llm": "generate",
    "vlm": "generate",
    "embed": "embed",
    "embedding": "embed",
    "embeddings": "embed",
    "rerank": "rerank",
    "reranker": "rerank",
}
"""What servers call what a model does: Together's and LM Studio's ``type``, LiteLLM's ``mode``, and the
``capabilities`` of llama-server and Mistral."""


class NotAList(UpstreamFailed):
    """Something answered, and it was no list of models."""

    code = "not_a_model_list"


def read_models(body: bytes, prefix: str = "") -> tuple[Found, ...]:
    """The models of a list, without ``prefix`` before their names. Raises :class:`NotAList`.

    What is strange about an entry but its id does not matter, and one without an id is left out.
    """
    listed = _listed(body)
    if listed is None:
        what = "HTML" if body.lstrip()[:1] == b"<" else "something else than a list of models"
        raise NotAList(f"It answered {what}; give the base URL of its API, such as http://host:8000/v1.")
    found = {}
    for entry in listed:
        id = entry["id"].removeprefix(prefix)
        if id and len(id) <= MAX_NAME and id.isprintable():
            owner = entry.get("owned_by")
            found[id] = Found(
                id=id,
                context_length=_context(entry),
                owner=owner if isinstance(owner, str) else None,
                tasks=_tasks(entry),
                created=_created(entry),
            )
    return tuple(found.values())


def _listed(body: bytes) -> list[dict[str, Any]] | None:
    """The entries of a list that have an id, ``None`` where it is no list of such. ``null``, as older Ollamas
    say, is an empty one."""
    from .translate.tolerant import decoded

    try:
        told = decoded(body)
    except msgspec.DecodeError:
        return None
    if isinstance(told, dict) and "data" in told:
        told = [] if told["data"] is None else told["data"]
    if not isinstance(told, list):
        return None
    named = [entry for entry in told[:MOST_MODELS] if isinstance(entry, dict) and _is_id(entry.get("id"))]
    return named if named or not told else None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and "\ufffd" not in value  # which stands for bytes that are no text


def _context(entry: dict[str, Any]) -> int | None:
    told = [_at(entry, *path) for path in _CONTEXTS]
    told.append(max(filter(None, (_length(node.get("context_length")) for node in _nodes(entry))), default=0))
    return next((length for value in told if (length := _length(value))), None)


def _length(value: object) -> int | None:
    """A number of tokens, whole or not, if it can be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 1 <= value <= LONGEST_CONTEXT else None


def _created(entry: dict[str, Any]) -> int | None:
    """A Unix time, or one by RFC 3339 as Anthropic gives it."""
    for told in (entry.get("created"), entry.get("created_at")):
        if isinstance(told, str):
            try:
                told = datetime.fromisoformat(told).timestamp()
            except (ValueError, OverflowError, OSError):
                continue
        if (created := moment(told)) is not None:
            return created
    return None


def _tasks(entry: dict[str, Any]) -> frozenset[Task] | None:
    """What the entry says that the model does, ``None`` where it says nothing that is known."""
    told: list[object] = [entry.get("type"), entry.get("mode"), entry.get("task")]
    can = entry.get("capabilities")
    if isinstance(can, dict):
        told += [name for name, able in can.items() if able is True]
    elif isinstance(can, list):
        told += can
    for node in _nodes(entry):
        tasks = node.get("tasks")
        told += tasks if isinstance(tasks, list) else []
    return _known(told) or None


def _known(told: Iterable[object]) -> frozenset[Task]:
    return frozenset(_TASKS[word] for word in told if isinstance(word, str) and word in _TASKS)


def _nodes(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Where another node of ours has the model."""
    nodes = _at(entry, "bago", "nodes")
    return [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []


def _at(entry: object, *path: str) -> Any:
    for name in path:
        entry = entry.get(name) if isinstance(entry, dict) else None
    return entry
