"""The types of connections: where each is found, how it is spoken to, and what it speaks."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from ..backends.http import TASKS
from ..backends.target import ANTHROPIC, GEMINI, OPENAI, Manner
from ..router.shape import Dialect, Task

_GENERATES: frozenset[Task] = frozenset({"generate"})
_EMBEDS: frozenset[Task] = frozenset({"generate", "embed"})


class Kind(NamedTuple):
    """One type of connection."""

    name: str
    what: str
    """For people: what such a connection leads to."""
    url: str | None = None
    """Where it is when none is given."""
    key_env: str | None = None
    """The environment variable in which its users keep the key."""
    manner: Manner = OPENAI
    tasks: frozenset[Task] = TASKS
    native: frozenset[Dialect] | None = None
    """What it speaks; ``None`` where that has to be found out."""
    models_path: str = "/v1/models"
    prefix: str = ""
    """Stands before the names of its models in its list, and may be left out."""
    health: bool = False
    """Whether its ``/health`` tells when it is warming up, and nothing else happens there."""
    cluster: bool = False
    official: bool = False
    """Whether it is run by the maker of its dialect, who refuses fields that others ignore."""


_OPENAI_CLOUD = Kind(
    "openai",
    "OpenAI's cloud",
    url="https://api.openai.com/v1",
    key_env="OPENAI_API_KEY",
    tasks=_EMBEDS,
    native=frozenset({"chat", "completions", "embeddings", "responses"}),
    official=True,
)
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "openai", "any server that speaks OpenAI's API: vLLM, Ollama, LM Studio, llama-server, Ray Serve"
        ),
        Kind(
            "anthropic",
            "Anthropic's cloud",
            url="https://api.anthropic.com/v1",
            key_env="ANTHROPIC_API_KEY",
            manner=ANTHROPIC,
            tasks=_GENERATES,
            native=frozenset({"messages"}),
            models_path="/v1/models?limit=1000",
            official=True,
        ),
        Kind(
            "gemini",
            "Google's cloud",
            url="https://generativelanguage.googleapis.com/v1beta/openai",
            key_env="GEMINI_API_KEY",
            manner=GEMINI,
            tasks=_EMBEDS,
            native=frozenset({"chat", "embeddings"}),
            prefix="models/",
        ),
        Kind("continuum_router", "a Continuum Router", health=True),
        Kind("backend_ai_go", "a Backend.AI GO that lets plain OpenAI clients in", health=True),
        Kind("backend_ai_cluster", "the model services of a Backend.AI cluster", cluster=True),
    )
}


def kind_of(type: str, url: str | None) -> Kind:
    """The kind of a connection of ``type`` at ``url``. Raises ``KeyError`` for an unknown type."""
    kind, parts = KINDS[type], urlsplit(url or "")
    if type == "openai" and (not url or parts.hostname == "api.openai.com"):
        kind = _OPENAI_CLOUD
    elif url and kind.url and parts.hostname != urlsplit(kind.url).hostname:
        return kind._replace(key_env=None, official=False)  # the cloud's key is for the cloud alone
    if url and parts.scheme != "https":
        return kind._replace(key_env=None)  # and for no ear between here and there
    return kind
