"""Lists of models as servers give them: OpenAI's, Anthropic's, and what else they tell of a model."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from ..errors import UpstreamFailed
from ..router.shape import Task
from ..wire import moment
from .http import Found

MAX_NAME = 512
MOST_MODELS = 10_000
"""Models of one list; the rest is left out, so that no server can drown the catalogue."""
LONGEST_CONTEXT = 1 << 40
"""Tokens; what claims more is not believed."""
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


class _List(msgspec.Struct):
    data: list[msgspec.Raw]


class _Named(msgspec.Struct):
    id: str


def read_models(body: bytes, prefix: str = "") -> tuple[Found, ...]:
    """The models of a list, without ``prefix`` before their names. Raises :class:`NotAList`.

    What is strange about an entry but its id does not matter.
    """
    try:
        answer = msgspec.json.decode(body, type=_List | list[msgspec.Raw])
        listed = answer if isinstance(answer, list) else answer.data
        entries = [
            (msgspec.json.decode(raw, type=_Named).id, msgspec.json.decode(raw))
            for raw in listed[:MOST_MODELS]
        ]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        what = "HTML" if body.lstrip()[:1] == b"<" else "something else than a list of models"
        raise NotAList(
            f"It answered {what}; give the base URL of its API, such as http://host:8000/v1."
        ) from None
    found = {}
    for name, entry in entries:
        id = name.removeprefix(prefix)
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
